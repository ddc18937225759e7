// Publishes every function of $BENCH_FUNCS_DIR on the server at $BENCH_URL.
import fs from 'node:fs'
import path from 'node:path'

const { BENCH_FUNCS_DIR, BENCH_TOKEN, BENCH_URL } = process.env
const dir = path.join(BENCH_FUNCS_DIR, 'cjs')

// The functions pass what the reference design's `invoke` takes; ours takes the body itself.
const adapter = '\nsdk = (ctx) => ({ invoke: (name, call) => ctx.cloud.invoke(name, call.body) })\n'

for (const file of fs.readdirSync(dir)) {
  const text = fs.readFileSync(path.join(dir, file), 'utf8')
  const source = text.includes('function sdk(') ? text + adapter : text
  const name = path.basename(file, '.js')
  const response = await fetch(`${BENCH_URL}/functions/${name}`, {
    method: 'PUT',
    headers: { 'x-develop-token': BENCH_TOKEN, 'content-type': 'application/json' },
    body: JSON.stringify({ source, language: 'javascript' }),
  })
  if (!response.ok) throw new Error(`${name}: ${response.status} ${await response.text()}`)
}
