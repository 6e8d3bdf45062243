// graphile-worker with its local queue and batches, as its documentation sets it up for throughput; done jobs are deleted.
// The protocol is protocol.py's.
import fs from 'node:fs';
import pg from 'pg';
import { Logger, makeWorkerUtils, run, runMigrations } from 'graphile-worker';

const BATCH = 5000;
const logger = new Logger(() => (level, message) => { if (level === 'error') console.error(message); });
const now = () => process.hrtime.bigint();
const seconds = (since) => Number(now() - since) / 1e9;
const until = (began, after) => new Promise((resolve) => setTimeout(resolve, Math.max(0, (after - seconds(began)) * 1e3)));
const pool = (max) => new pg.Pool({ max }).on('error', () => {}).on('connect', (client) => client.on('error', () => {}));

async function producer(connections) {
  const utils = await makeWorkerUtils({ pgPool: pool(connections), logger });
  return {
    one: (payload) => utils.addJob('noop', payload),
    many: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: 'noop', payload }))),
    at: (payload, runAt) => utils.addJob('noop', payload, { runAt }),
  };
}

const COMMANDS = {
  async bulk(count) {
    const { many } = await producer(8), began = now();
    for (let start = 0; start < count; start += BATCH) {
      await many(Array.from({ length: Math.min(BATCH, count - start) }, (_, i) => ({ i: start + i })));
    }
    return { rate: count / seconds(began) };
  },
  async single(count, clients) {
    const { one } = await producer(clients);
    const each = (work) => Promise.all(Array.from({ length: clients }, work));
    await each(() => one({ i: -1 }));
    let left = count;
    const began = now();
    await each(async () => { while (left > 0) await one({ i: left-- }); });
    return { rate: count / seconds(began) };
  },
  async trickle(count, pause) {
    const { one } = await producer(1), began = now();
    for (let i = 0; i < count; i++) {
      await until(began, i * pause);
      await one({ t: String(now()) });
    }
    return { sent: count };
  },
  async steady(rate, duration, batch) {
    const { many } = await producer(1), began = now();
    for (let i = 0; i < rate * duration / batch; i++) {
      await until(began, i * batch / rate);
      const t = String(now());
      await many(Array.from({ length: batch }, () => ({ t })));
    }
    return { sent: rate * duration, rate: rate * duration / seconds(began) };
  },
  async schedule(count, duration) {
    const { at } = await producer(8), base = Date.now(), baseNs = now();
    for (let i = 0; i < count; i++) {
      const after = 2 + i * duration / count;
      await at({ t: String(baseNs + BigInt(Math.round(after * 1e9))) }, new Date(base + after * 1e3));
    }
    return { sent: count };
  },
};

async function work(concurrency, report) {
  const latencies = [];
  let isFirst = true;
  process.on('SIGUSR2', () => {
    fs.appendFileSync(report, `LATENCIES ${latencies.join(' ')}\n`);
    process.exit(0);
  });
  const noop = async ({ t }) => {
    if (t) latencies.push(Number(now() - BigInt(t)));
    if (isFirst) {
      isFirst = false;
      fs.appendFileSync(report, `FIRST ${now()}\n`);
    }
  };
  const preset = { worker: { concurrentJobs: concurrency, maxPoolSize: 20, localQueue: { size: 500 }, completeJobBatchDelay: 0,
    failJobBatchDelay: 0 } };
  const runner = await run({ preset, pgPool: pool(20), logger, noHandleSignals: true, pollInterval: 2000, crontab: '', taskList: { noop } });
  await runner.promise;
}

const [command, ...words] = process.argv.slice(2);
if (command === 'setup') {
  await runMigrations({ pgPool: pool(2), logger });
  process.exit(0);
} else if (command === 'work') {
  await work(+words[0], words[1]);
} else {
  console.log(JSON.stringify(await COMMANDS[command](...words.map(Number))));
  process.exit(0);
}
