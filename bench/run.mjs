// Starts the peers, checks that they all answer the same, loads them in turn,
// round after round, and prints the figures. README.md says what each one means.
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { BENCH, HOME } from './lib/env.mjs'
import { FUNCTIONS, generate, manyName } from './lib/gen.mjs'
import { startPg } from './lib/pg.mjs'
import { cpuBetween, cpuTime, machine, memory, tree } from './lib/proc.mjs'
import { report } from './lib/report.mjs'

const HELP = `bench/run.sh [options]
  --peers a,b          ${'peers to run (default: floor,node-http,seed,seed-wrapped,deno,bun,workerd,workerd-one,workerd-loader,functions-framework, and ours if OURS_CMD or OURS_URL is set)'}
                       any JavaScript peer also as NAME+full: with the seed's contract (token, log header)
  --functions x,y      of ${FUNCTIONS.join(',')}
  --conc 1,16,64       connections, one request in flight on each
  --seconds N          length of one measurement (3), after --warmup N (1)
  --rounds N           rounds of all peers in turn (3); figures are medians over rounds
  --phases a,b         of main,cold,many (all three)
  --cold-reps N        starts of each peer in phase cold (5)
  --many N             distinct functions in phase many (1000)
  --max-other PCT      repeat a measurement (3 times at most, the calmest kept) while other
                       processes take more than this share of the machine
  --nice=N             run servers and generator at this niceness, e.g. --nice=-15 (root) on a busy machine
  --pin one|none       one: server on one core, generator on another (default); none: let them float
  --server-core N      (0)   --gen-core N (1)
  --baseline NAME      what ratios are against (seed, or else the first peer)
  --url-only NAME=URL  a running server, e.g. mine=http://127.0.0.1:8080/invoke/{fn}; repeatable
  --pid NAME=PID       its process, for its CPU time and memory
  --cmd NAME=COMMAND   a server to start (bash -c, with PORT, BENCH_FUNCS_DIR, BENCH_TOKEN set); repeatable
  --cmd-url NAME=URL   where it answers (http://127.0.0.1:{port}/invoke/{fn})
  --deploy NAME=CMD    run once it listens, to publish the functions (BENCH_URL, BENCH_FUNCS_DIR, BENCH_TOKEN set)
  --header 'k: v'      sent with every request; repeatable (x-develop-token: $BENCH_TOKEN is sent anyway)
  --out DIR            where results go (BENCH_HOME/results)
  --quick              1 s, 1 round, conc 1,16, 2 cold starts, 100 functions
  --list               the peers known
Environment: BENCH_HOME, BENCH_TOKEN (dev), OURS_CMD, OURS_URL, OURS_DEPLOY, OURS_DEPLOY_EACH=1, BENCH_PG_URL`

const { values: arg } = parseArgs({
  options: Object.fromEntries(
    ['peers', 'functions', 'conc', 'seconds', 'warmup', 'rounds', 'phases', 'cold-reps', 'many', 'pin', 'nice', 'max-other', 'server-core', 'gen-core', 'baseline', 'out']
      .map((k) => [k, { type: 'string' }])
      .concat(['url-only', 'pid', 'cmd', 'cmd-url', 'deploy', 'header'].map((k) => [k, { type: 'string', multiple: true }]))
      .concat(['quick', 'list', 'help'].map((k) => [k, { type: 'boolean' }])),
  ),
})
if (arg.help) {
  console.log(HELP)
  process.exit(0)
}

const env = process.env
const list = (s) => s.split(',').filter(Boolean)
const pairs = (a) => Object.fromEntries((a || []).map((s) => [s.slice(0, s.indexOf('=')), s.slice(s.indexOf('=') + 1)]))
const quick = arg.quick
const TOKEN = env.BENCH_TOKEN || 'dev'
const seconds = Number(arg.seconds || (quick ? 1 : 3))
const warmup = Number(arg.warmup || (quick ? 0.5 : 1))
const rounds = Number(arg.rounds || (quick ? 1 : 3))
const concs = list(arg.conc || (quick ? '1,16' : '1,16,64')).map(Number)
const coldReps = Number(arg['cold-reps'] || (quick ? 2 : 5))
const many = Number(arg.many || (quick ? 100 : 1000))
const phases = list(arg.phases || 'main,cold,many')
const pinned = (arg.pin || 'one') === 'one'
const maxOther = Number(arg['max-other'] || 100)
const serverCore = Number(arg['server-core'] || 0)
const genCore = Number(arg['gen-core'] || 1)
const headers = [`x-develop-token: ${TOKEN}`, 'content-type: application/json', ...(arg.header || [])]
const headerMap = Object.fromEntries(headers.map((h) => [h.slice(0, h.indexOf(':')).trim().toLowerCase(), h.slice(h.indexOf(':') + 1).trim()]))

// ---- the peers ------------------------------------------------------------

const bin = (n) => path.join(HOME, 'peers/node_modules/.bin', n)
const peerFile = (f) => path.join(BENCH, 'peers', f)
const node = (f, extra = {}) => ({ argv: () => [process.execPath, peerFile(f)], env: { NODE_ENV: 'production', ...extra } })
const wd = (config, more = []) => ({
  argv: (p) => [bin('workerd'), 'serve', `${p.set}/workerd/${config}.capnp`, ...more.flatMap((m) => m(p)), '--socket-addr', `http=127.0.0.1:${p.port}`],
})
/** This repository's server, built with `cargo build --release`; one folder of data a set of functions. */
const tandem = (engine) => ({
  argv: (p) => {
    const data = path.join(HOME, 'run', `tandem-${engine}-${path.basename(p.set)}`)
    const settings = {
      'server.listen': `127.0.0.1:${p.port}`,
      'server.token': TOKEN,
      'engine.backend': engine,
      'engine.isolates': many + 100,
      'functions.sqlite.path': path.join(data, 'tandem.db'),
      'storage.local.root': path.join(data, 'objects'),
      'telemetry.level': 'warn',
    }
    const binary = env.TANDEM_BIN || path.join(BENCH, '../target/release/tandem')
    return [binary, 'serve', ...Object.entries(settings).flatMap(([k, v]) => ['--set', `${k}=${v}`])]
  },
  deploy: `exec ${process.execPath} ${path.join(BENCH, 'peers/tandem-deploy.mjs')}`,
})
const KNOWN = {
  'tandem-quickjs': tandem('quickjs'),
  'tandem-v8': tandem('v8'),
  floor: { argv: () => [path.join(HOME, 'target/release/bench-floor')], many: false },
  'floor-2': { argv: () => [path.join(HOME, 'target/release/bench-floor')], env: { FLOOR_THREADS: '2' }, many: false },
  'node-http': node('node-http.mjs'),
  seed: node('seed.cjs'),
  'seed-wrapped': node('seed.cjs', { SEED_WRAP: '1' }),
  'seed-fresh': node('seed.cjs', { SEED_MODE: 'fresh' }),
  'seed-sqlite': node('seed.cjs', { SEED_DB: 'sqlite', SEED_SQLITE: path.join(HOME, 'run/seed.db') }),
  'seed-pg': { ...node('seed.cjs', { SEED_DB: 'pg' }), pg: true },
  'seed-cluster': node('seed.cjs', { SEED_WORKERS: '2' }),
  deno: { argv: (p) => [bin('deno'), 'serve', '--no-config', '-A', '--host', '127.0.0.1', '--port', String(p.port), peerFile('deno.mjs')] },
  'deno-par': {
    argv: (p) => [bin('deno'), 'serve', '--no-config', '-A', '--parallel', '--host', '127.0.0.1', '--port', String(p.port), peerFile('deno.mjs')],
    env: { DENO_JOBS: '2' },
  },
  bun: { argv: () => [bin('bun'), peerFile('bun.mjs')] },
  workerd: wd('static'),
  'workerd-one': wd('one'),
  'workerd-loader': wd('loader', [() => ['--experimental'], (p) => ['-d', `functions=${p.set}/esm`]]),
  'functions-framework': {
    argv: (p) => [
      process.execPath, '--require', peerFile('functions-framework/loopback.cjs'),
      path.join(HOME, 'peers/node_modules/@google-cloud/functions-framework/build/src/main.js'),
      `--source=${peerFile('functions-framework')}`, '--target=main', `--port=${p.port}`,
    ],
    env: { NODE_ENV: 'production' },
  },
}
if (arg.list) {
  console.log(Object.keys(KNOWN).join('\n'))
  process.exit(0)
}

const cmds = pairs(arg.cmd)
const cmdUrls = pairs(arg['cmd-url'])
const deploys = pairs(arg.deploy)
const urlOnly = pairs(arg['url-only'])
const pids = pairs(arg.pid)
if (env.OURS_CMD) {
  cmds.ours = env.OURS_CMD
  if (env.OURS_URL) cmdUrls.ours = env.OURS_URL
} else if (env.OURS_URL) urlOnly.ours = env.OURS_URL
if (env.OURS_DEPLOY) deploys.ours = env.OURS_DEPLOY

const extra = [...Object.keys(cmds), ...Object.keys(urlOnly)]
const chosen = arg.peers
  ? list(arg.peers)
  : ['floor', 'node-http', 'seed', 'seed-wrapped', 'deno', 'bun', 'workerd', 'workerd-one', 'workerd-loader', 'functions-framework']
const names = [...new Set([...chosen, ...extra])]
const functions = list(arg.functions || FUNCTIONS.join(','))

function definition(name) {
  if (urlOnly[name]) return { url: urlOnly[name], remote: true }
  if (cmds[name]) return { argv: () => ['bash', '-c', cmds[name]], url: cmdUrls[name], deploy: deploys[name] }
  const base = KNOWN[name.replace(/\+full$/, '')]
  if (!base) throw new Error(`no such peer: ${name}`)
  return base
}

// ---- processes ------------------------------------------------------------

const running = new Set()
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))
const now = () => Number(process.hrtime.bigint()) / 1e6

function freePort() {
  return new Promise((ok, no) => {
    const s = net.createServer().on('error', no)
    s.listen(0, '127.0.0.1', () => {
      const { port } = s.address()
      s.close(() => ok(port))
    })
  })
}

/** The command, on its core and at its niceness. */
const placed = (core, argv) => [
  ...(arg.nice ? ['nice', '-n', arg.nice] : []),
  ...(pinned ? ['taskset', '-c', String(core)] : []),
  ...argv,
]

/** Where the kernel groups sessions (autogroup), niceness counts for a group, not a process. */
function groupNice(child) {
  if (!arg.nice || !child.pid) return
  try {
    fs.writeFileSync(`/proc/${child.pid}/autogroup`, arg.nice)
  } catch {}
}

const urlOf = (p, fn) => new URL((p.def.url || 'http://127.0.0.1:{port}/invoke/{fn}').replaceAll('{port}', p.port).replaceAll('{fn}', fn))

/** One request on a connection of its own. */
function request(p, fn, bodyFile, over = {}) {
  const u = urlOf(p, fn)
  return new Promise((ok, no) => {
    const req = http.request(
      { host: u.hostname === 'localhost' ? '127.0.0.1' : u.hostname, port: u.port, path: u.pathname + u.search, method: 'POST', headers: { ...headerMap, ...over }, agent: false, timeout: 15000 },
      (res) => {
        const chunks = []
        res.on('data', (c) => chunks.push(c))
        res.on('end', () => ok({ status: res.statusCode, headers: res.headers, text: Buffer.concat(chunks).toString() }))
        res.on('error', no)
      },
    )
    req.on('timeout', () => req.destroy(new Error('timed out')))
    req.on('error', no)
    req.end(fs.readFileSync(bodyFile))
  })
}

function connectable(port) {
  return new Promise((ok) => {
    const s = net.connect(port, '127.0.0.1', () => (s.destroy(), ok(true)))
    s.on('error', () => ok(false))
  })
}

async function start(name, world, set, { deploy = true, deadline = 60000 } = {}) {
  const def = definition(name)
  const p = { name, def, set: path.join(world.gen, set), pids: () => [] }
  if (def.remote) {
    p.port = Number(urlOf({ ...p, port: 0 }, 'x').port) || 80
    if (pids[name]) p.pids = () => tree(Number(pids[name]))
    p.stop = async () => {}
    return p
  }
  p.port = await freePort()
  const argv = def.argv(p)
  const full = placed(serverCore, argv)
  const errFile = path.join(HOME, 'run', `${name}.err`)
  const err = fs.openSync(errFile, 'w')
  const t0 = now()
  const child = spawn(full[0], full.slice(1), {
    cwd: HOME,
    detached: true, // its own process group, so that stop() ends just what was started here
    stdio: ['ignore', env.BENCH_STDOUT === 'file' ? err : 'ignore', err],
    env: {
      ...env, NO_COLOR: '1', DENO_DIR: path.join(HOME, 'deno'), DENO_NO_UPDATE_CHECK: '1',
      NODE_PATH: path.join(HOME, 'peers/node_modules'),
      PORT: String(p.port), BENCH_HOME: HOME, BENCH_TOKEN: TOKEN, BENCH_FUNCS_DIR: p.set,
      BENCH_CONTRACT: name.endsWith('+full') ? 'full' : 'idiomatic',
      ...(world.pg ? { BENCH_PG_URL: world.pg.url } : {}),
      ...def.env,
    },
  })
  fs.closeSync(err)
  groupNice(child)
  let gone = null
  const exited = new Promise((r) => child.on('exit', (code, sig) => (running.delete(p), (gone = sig || code), r())))
  child.on('error', (e) => (gone = String(e)))
  running.add(p)
  p.pids = () => tree(child.pid)
  p.stop = async () => {
    const signal = (s) => {
      try {
        process.kill(-child.pid, s)
      } catch {}
    }
    signal('SIGTERM')
    await Promise.race([exited, sleep(3000)])
    signal('SIGKILL')
    await Promise.race([exited, sleep(3000)])
  }
  const give = async (why) => {
    const tail = fs.readFileSync(errFile, 'utf8').trim().split('\n').slice(-3).join(' | ')
    await p.stop()
    throw new Error(`${name}: ${why}${tail ? `: ${tail}` : ''}`)
  }
  const hello = world.bodyFile('hello')
  let deployMs = 0
  if (def.deploy && deploy) {
    while (!(await connectable(p.port))) {
      if (gone !== null) await give(`ended (${gone})`)
      if (now() - t0 > deadline) await give('does not listen')
      await sleep(5)
    }
    const t = now()
    execFileSync('bash', ['-c', def.deploy], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...env, PORT: String(p.port), BENCH_URL: `http://127.0.0.1:${p.port}`, BENCH_FUNCS_DIR: p.set, BENCH_TOKEN: TOKEN },
    })
    deployMs = now() - t
  }
  for (;;) {
    if (gone !== null) await give(`ended (${gone})`)
    const r = await request(p, 'hello', hello).catch(() => null)
    if (r?.status === 200) break
    if (now() - t0 > deadline) await give(`no 200 from hello${r ? `, but ${r.status} ${r.text.slice(0, 120)}` : ''}`)
    await sleep(r ? 10 : 1)
  }
  p.startMs = now() - t0 - deployMs
  const used = cpuTime(p.pids())
  p.startCpuMs = 1e3 * Math.max(used.ticks, used.fine)
  return p
}

// ---- checks and measurements ----------------------------------------------

async function precheck(p, world) {
  const ok = {}
  const contract = {}
  for (const fn of functions) {
    try {
      const r = await request(p, fn, world.bodyFile(fn))
      if (r.status !== 200) throw new Error(`status ${r.status} ${r.text.slice(0, 100)}`)
      const got = JSON.parse(r.text)
      if (!isDeepStrictEqual(got, world.expect[fn]) && !isDeepStrictEqual(got?.data, world.expect[fn])) {
        throw new Error(`wrong answer ${r.text.slice(0, 100)}`)
      }
      ok[fn] = true
      const packed = r.headers['x-function-logs']
      if (packed) {
        const text = gunzipSync(Buffer.from(packed, 'base64')).toString()
        if (fn === 'hello') contract.logs = text.includes('hello from')
        if (fn === 'logs') contract.lines20 = text.includes('user-19')
        if (fn === 'invoke') contract.nestedLogs = text.includes('n4')
      }
      if (r.headers['x-execution-time']) contract.time = true
    } catch (e) {
      ok[fn] = String(e.message || e)
    }
  }
  const bad = await request(p, 'hello', world.bodyFile('hello'), { 'x-develop-token': 'wrong' }).catch(() => null)
  contract.token = [401, 403].includes(bad?.status)
  const lost = await request(p, 'no_such_function', world.bodyFile('hello')).catch(() => null)
  contract.notFound = lost?.status
  return { ok, contract }
}

function loadgen(p, opts) {
  const u = urlOf(p, 'FN')
  const host = u.hostname === 'localhost' ? '127.0.0.1' : u.hostname
  const args = ['--addr', `${host}:${u.port || 80}`, '--method', 'POST', ...headers.flatMap((h) => ['--header', h])]
  for (const [k, v] of Object.entries(opts)) args.push(`--${k}`, ...(v === true ? [] : [String(v)]))
  const argv = [path.join(HOME, 'target/release/bench-loadgen'), ...args]
  const full = placed(genCore, argv)
  return new Promise((ok, no) => {
    const c = spawn(full[0], full.slice(1), { stdio: ['ignore', 'pipe', 'inherit'], detached: Boolean(arg.nice) })
    groupNice(c)
    let out = ''
    c.stdout.on('data', (d) => (out += d))
    c.on('error', no)
    c.on('close', (code) => (code === 0 ? ok(JSON.parse(out)) : no(new Error(`loadgen ended with ${code}`))))
  })
}

/** A loadgen run, with the server's CPU time and the rest of the machine's beside it. */
async function measure(p, opts) {
  const before = p.pids()
  const cpu0 = cpuTime(before)
  const cores0 = machine()
  const t0 = now()
  const r = await loadgen(p, opts)
  const wall = (now() - t0) / 1e3
  const cores = machine().map((b, i) => b - cores0[i])
  const srv = before.length ? cpuBetween(cpu0, cpuTime(before), before.length) : null
  const all = r.reqs + r.warm_reqs
  const share = seconds && r.reqs ? all / r.reqs : 1
  const gen = (r.gen_cpu_ms / 1e3) * share
  const busy = cores.reduce((a, b) => a + b, 0)
  return {
    ...r,
    wall,
    srv_cpu_s: srv,
    cpu_us_req: srv === null || !all ? null : (srv * 1e6) / all,
    srv_core_pct: srv === null ? null : (100 * srv) / wall,
    gen_core_pct: (100 * gen) / wall,
    // what others took: of the whole machine, and of the server's own core
    other_pct: srv === null ? null : Math.max(0, (100 * (busy - srv - gen)) / (wall * cores.length)),
    core_taken_pct: srv === null || !pinned ? null : Math.max(0, (100 * (cores[serverCore] - srv)) / wall),
    load1: os.loadavg()[0],
  }
}

/** With --max-other: the least disturbed of up to three tries. */
async function calm(take) {
  let best
  for (let i = 0; i < 3; i++) {
    const r = await take()
    if (!best || (r.other_pct ?? 0) < best.other_pct) best = { ...r, tries: i + 1 }
    if ((r.other_pct ?? 0) <= maxOther) break
  }
  return best
}

const pathOf = (p, fn) => {
  const u = urlOf(p, fn)
  return u.pathname + u.search
}

async function phaseMain(out, world) {
  const up = []
  for (const name of names) {
    try {
      const p = await start(name, world, 'base')
      await sleep(300)
      p.idle = memory(p.pids())
      const { ok, contract } = await precheck(p, world)
      out.peers[name] = { ok, contract, idle: p.idle, start_ms: p.startMs }
      for (const [fn, why] of Object.entries(ok)) if (why !== true) console.error(`  ${name} / ${fn}: left out: ${why}`)
      up.push(p)
    } catch (e) {
      out.peers[name] = { failed: String(e.message || e) }
      console.error(`  ${name}: left out: ${e.message || e}`)
    }
  }
  let done = 0
  const total = functions.length * concs.length * rounds
  for (const fn of functions) {
    for (const conc of concs) {
      for (let round = 0; round < rounds; round++) {
        const turn = up.map((_, i) => up[(i + round) % up.length]) // A B C, B C A, …
        for (const p of turn) {
          if (out.peers[p.name].ok[fn] !== true) continue
          const opts = { path: pathOf(p, fn), conc, seconds, warmup, 'body-file': world.bodyFile(fn), verify: 'same' }
          const r = await calm(() => measure(p, opts)).catch((e) => ({ failed: String(e.message || e) }))
          out.samples.push({ peer: p.name, fn, conc, round, ...r })
          if (r.failed || r.non200 || r.errors || r.mismatch) {
            console.error(`  ${p.name} / ${fn} / ${conc}: ${r.failed || `${r.non200} not 200, ${r.errors} broken, ${r.mismatch} other bodies; ${r.bad}`}`)
          }
        }
        console.error(`  main ${++done}/${total}: ${fn}, ${conc} at once, round ${round + 1}`)
      }
    }
  }
  for (const p of up) {
    out.peers[p.name].after = memory(p.pids())
    await p.stop()
  }
}

async function phaseCold(out, world) {
  const able = names.filter((n) => !definition(n).remote && !out.peers[n]?.failed)
  for (let rep = 0; rep < coldReps; rep++) {
    for (const name of able) {
      try {
        // A server whose store outlives it has its functions from phase main.
        const def = definition(name)
        const p = await start(name, world, 'base', { deploy: env.OURS_DEPLOY_EACH === '1' || (rep === 0 && !phases.includes('main')) })
        out.cold.push({ peer: name, rep, ms: p.startMs, cpu_ms: p.startCpuMs, deployed: Boolean(def.deploy && env.OURS_DEPLOY_EACH === '1'), ...memory(p.pids()) })
        await p.stop()
      } catch (e) {
        out.cold.push({ peer: name, rep, failed: String(e.message || e) })
        console.error(`  cold ${e.message || e}`)
      }
    }
    console.error(`  cold ${rep + 1}/${coldReps}`)
  }
}

async function phaseMany(out, world) {
  const body = world.bodyFile('many')
  for (const name of names) {
    if (definition(name).many === false || out.peers[name]?.failed) continue
    const row = { peer: name, n: many }
    let p
    try {
      if (!definition(name).remote) {
        const few = await start(name, world, 'base')
        await sleep(300)
        row.base = memory(few.pids())
        await few.stop()
      }
      p = await start(name, world, 'many', { deadline: 180000 })
      row.start_ms = p.startMs
      await sleep(300)
      row.before = memory(p.pids())
      const file = path.join(HOME, 'run', 'many.paths')
      fs.writeFileSync(file, Array.from({ length: many }, (_, i) => pathOf(p, manyName(i))).join('\n') + '\n')
      row.first = await measure(p, { 'paths-file': file, once: true, conc: 1, 'body-file': body })
      row.after_first = memory(p.pids())
      if (row.first.non200 || row.first.errors) throw new Error(`${row.first.non200} not 200: ${row.first.bad}`)
      const last = JSON.parse((await request(p, manyName(many - 1), body)).text)
      if ((last.fn ?? last.data?.fn) !== many - 1) throw new Error(`wrong function answered: ${JSON.stringify(last)}`)
      row.robin = await measure(p, { 'paths-file': file, conc: 16, seconds, warmup, 'body-file': body })
      row.after = memory(p.pids())
    } catch (e) {
      row.failed = String(e.message || e)
      console.error(`  many: ${name}: ${row.failed}`)
    }
    await p?.stop()
    out.many.push(row)
    console.error(`  many: ${name} done`)
  }
}

// ---- the run --------------------------------------------------------------

const version = (cmd, args) => {
  try {
    return execFileSync(cmd, args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim().split('\n')[0]
  } catch {
    return null
  }
}
const peerPackage = (n) => {
  try {
    return JSON.parse(fs.readFileSync(path.join(HOME, 'peers/node_modules', n, 'package.json'), 'utf8')).version
  } catch {
    return null
  }
}

let pg
async function cleanup() {
  for (const p of [...running]) await p.stop()
  if (pg) {
    try {
      pg.stop()
    } catch {}
  }
}
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => cleanup().finally(() => process.exit(130)))

for (const f of ['target/release/bench-loadgen', 'peers/node_modules']) {
  if (!fs.existsSync(path.join(HOME, f))) {
    console.error('not installed: run bench/install.sh first (same BENCH_HOME)')
    process.exit(2)
  }
}
fs.mkdirSync(path.join(HOME, 'run'), { recursive: true })
const lock = path.join(HOME, 'run/lock') // two runs at once would measure each other, and share files
const holder = fs.existsSync(lock) && Number(fs.readFileSync(lock, 'utf8'))
if (holder && fs.existsSync(`/proc/${holder}`)) {
  console.error(`a run is under way in this BENCH_HOME (process ${holder})`)
  process.exit(2)
}
fs.writeFileSync(lock, String(process.pid))
process.on('exit', () => fs.rmSync(lock, { force: true }))
for (const n of names) definition(n)

const world = await generate({ home: HOME, many })
const out = {
  at: new Date().toISOString(),
  machine: { cpu: os.cpus()[0].model, cores: os.cpus().length, memory_mib: Math.round(os.totalmem() / 2 ** 20), kernel: os.release(), load_before: os.loadavg() },
  versions: {
    node: process.version, workerd: peerPackage('workerd'), deno: peerPackage('deno'), bun: peerPackage('bun'),
    'functions-framework': peerPackage('@google-cloud/functions-framework'), express: peerPackage('express'), rustc: version('rustc', ['--version']),
  },
  settings: { seconds, warmup, rounds, concs, functions, coldReps, many, pinned, nice: Number(arg.nice || 0), serverCore, genCore, phases },
  peers: {}, samples: [], cold: [], many: [],
}
try {
  if (names.some((n) => KNOWN[n.replace(/\+full$/, '')]?.pg)) {
    pg = world.pg = startPg(await freePort(), pinned ? serverCore : undefined)
  }
  if (phases.includes('main')) await phaseMain(out, world)
  if (phases.includes('cold')) await phaseCold(out, world)
  if (phases.includes('many')) await phaseMany(out, world)
} finally {
  await cleanup()
}
out.machine.load_after = os.loadavg()
out.baseline = arg.baseline || (names.includes('seed') ? 'seed' : names[0])
const text = report(out, names)
const dir = arg.out || path.join(HOME, 'results')
fs.mkdirSync(dir, { recursive: true })
const stem = path.join(dir, out.at.replace(/[:.]/g, '-'))
fs.writeFileSync(`${stem}.json`, JSON.stringify(out, null, 1))
fs.writeFileSync(`${stem}.txt`, text)
console.log(text)
console.error(`written: ${stem}.json and .txt`)
process.exit(out.samples.some((s) => s.failed || s.non200 || s.errors || s.mismatch) ? 1 : 0)
