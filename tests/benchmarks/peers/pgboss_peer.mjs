// pg-boss in batches with LISTEN and NOTIFY; done jobs stay. Its handler gets a batch at once, which is less work a job.
import { PgBoss } from 'pg-boss';
import { main } from './protocol.mjs';

async function boss(connections, options = {}) {
  const { PGHOST: host, PGUSER: user, PGDATABASE: database } = process.env;
  const started = new PgBoss({ host, user, database, max: connections, ...options });
  started.on('error', (error) => console.error(String(error)));
  await started.start();
  return started;
}

await main({
  setup: async () => (await boss(2)).createQueue('noop', { notify: true }),

  async producer(connections) {
    const sending = await boss(connections, { supervise: false, schedule: false });
    return {
      one: (data) => sending.send('noop', data),
      many: (all) => sending.insert('noop', all.map((data) => ({ data }))),
      at: (data, startAfter) => sending.send('noop', data, { startAfter }),
    };
  },

  async work(hit, concurrency) {
    const working = await boss(10, { useListenNotify: true });
    const options = { batchSize: concurrency, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
    await working.work('noop', options, async (jobs) => { for (const job of jobs) hit(job.data); });
    await new Promise(() => {});
  },
});
