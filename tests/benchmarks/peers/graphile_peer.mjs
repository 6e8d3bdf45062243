// graphile-worker with its local queue and batches, as its documentation sets it up for throughput; done jobs are deleted.
import pg from 'pg';
import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker';
import { main } from './protocol.mjs';

const logger = new Logger(() => (level, message) => { if (level === 'error') console.error(message); });
const pool = (max) => new pg.Pool({ max }).on('error', () => {}).on('connect', (client) => client.on('error', () => {}));

await main({
  setup: () => runMigrations({ pgPool: pool(2), logger }),

  async producer(connections) {
    const utils = await makeWorkerUtils({ pgPool: pool(connections), logger });
    return {
      one: (payload) => utils.addJob('noop', payload),
      many: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: 'noop', payload }))),
      at: (payload, runAt) => utils.addJob('noop', payload, { runAt }),
    };
  },

  async work(hit, concurrency) {
    const preset = { worker: { concurrentJobs: concurrency, maxPoolSize: 20, localQueue: { size: 500 }, completeJobBatchDelay: 0,
      failJobBatchDelay: 0 } };
    const runner = await run({ preset, pgPool: pool(20), logger, noHandleSignals: true, pollInterval: 2000, crontab: '',
      taskList: { noop: async (payload) => hit(payload) } });
    await runner.promise;
  },
});
