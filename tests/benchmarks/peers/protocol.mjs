// The protocol of protocol.py, for peers on node. A peer has `setup()`, `producer(connections)` and `work(hit, concurrency)`.
import fs from 'node:fs';

const BATCH = 5000;
const now = () => process.hrtime.bigint();
const seconds = (since) => Number(now() - since) / 1e9;
const until = (began, after) => new Promise((resolve) => setTimeout(resolve, Math.max(0, (after - seconds(began)) * 1e3)));

const COMMANDS = {
  async bulk(peer, count) {
    const { many } = await peer.producer(8), began = now();
    for (let start = 0; start < count; start += BATCH) {
      await many(Array.from({ length: Math.min(BATCH, count - start) }, (_, i) => ({ i: start + i })));
    }
    return { rate: count / seconds(began) };
  },
  async single(peer, count, clients) {
    const { one } = await peer.producer(clients);
    const each = (work) => Promise.all(Array.from({ length: clients }, work));
    await each(() => one({ i: -1 }));
    let left = count;
    const began = now();
    await each(async () => { while (left > 0) await one({ i: left-- }); });
    return { rate: count / seconds(began) };
  },
  async trickle(peer, count, pause) {
    const { one } = await peer.producer(1), began = now();
    for (let i = 0; i < count; i++) {
      await until(began, i * pause);
      await one({ t: String(now()) });
    }
    return { sent: count };
  },
  async steady(peer, rate, duration, batch) {
    const { many } = await peer.producer(1), began = now();
    for (let i = 0; i < rate * duration / batch; i++) {
      await until(began, i * batch / rate);
      const t = String(now());
      await many(Array.from({ length: batch }, () => ({ t })));
    }
    return { sent: rate * duration, rate: rate * duration / seconds(began) };
  },
  async schedule(peer, count, duration) {
    const { at } = await peer.producer(8), base = Date.now(), baseNs = now();
    for (let i = 0; i < count; i++) {
      const after = 2 + i * duration / count;
      await at({ t: String(baseNs + BigInt(Math.round(after * 1e9))) }, new Date(base + after * 1e3));
    }
    return { sent: count };
  },
};

async function work(peer, concurrency, report) {
  const latencies = [], last = +process.env.JOBS;
  const write = (...words) => fs.appendFileSync(report, `${words.join(' ')}\n`);
  let count = 0;
  process.on('SIGUSR2', () => {
    write('LATENCIES', ...latencies);
    process.exit(0);
  });
  await peer.work(({ t }) => {
    if (t) latencies.push(Number(now() - BigInt(t)));
    count++;
    if (count === 1) write('FIRST', now());
    else if (count === last) write('LAST', now());
  }, concurrency);
}

export async function main(peer) {
  const [command, ...words] = process.argv.slice(2);
  if (command === 'setup') await peer.setup();
  else if (command === 'work') return work(peer, +words[0], words[1]);
  else console.log(JSON.stringify(await COMMANDS[command](peer, ...words.map(Number))));
  process.exit(0);
}
