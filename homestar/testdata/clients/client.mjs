// Runs one version of the npm package @fission-codes/homestar against a node and prints, as JSON, what it saw.
//
//   node client.mjs VERSION ADDRESS < BLOCKS
//
// VERSION is 1 or 2, ADDRESS the node's. BLOCKS is {addOne, image, picture, slow}: the CIDs of modules and of a picture.
import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { WebSocket } from 'unws'
import * as Block from 'multiformats/block'
import { sha3256 } from '@multiformats/sha3'
import * as codec from '@ipld/dag-cbor'

const [version, address] = process.argv.slice(2)
const modules = JSON.parse(await text(process.stdin))
const { Homestar } = await import(`homestar-${version}`)
const build = await import(`homestar-${version}/workflow`)
const { WebsocketTransport } = version === '1' ? await import('homestar-1/transports/ws.js') : await import('@fission-codes/channel/transports/ws.js')
const Schemas = version === '2' ? await import(new URL('node_modules/homestar-2/src/schemas.js', import.meta.url)) : undefined

const seconds = 60

/** A client that counts what comes for each subscription, whether the package hands it on or not. */
class Client {
  errors = []
  sent = new Map()

  constructor() {
    this.transport = new WebsocketTransport(`ws://${address}`, { ws: WebSocket, retry: { retries: 0 } })
    this.transport.on('response', (data) => {
      const { method, params } = JSON.parse(data)
      if (method) this.sent.set(params.subscription, (this.sent.get(params.subscription) ?? 0) + 1)
    })
    this.homestar = new Homestar({ transport: this.transport })
    this.homestar.on('error', (error) => this.errors.push(error))
  }

  /** Runs a workflow and returns its notifications when there is one for each task. */
  async run(workflow, { begun } = {}) {
    const all = []
    let done
    const complete = new Promise((resolve) => { done = resolve })
    const started = performance.now()
    const { result, error } = await this.homestar.runWorkflow(workflow, (data) => {
      const notification = version === '1' ? data.result : Schemas.WorkflowNotification.parse(data)
      assert.ok(notification, data.error)
      all.push(notification)
      if (all.length === workflow.workflow.tasks.length) done()
    })
    if (error) throw error
    acks.push(performance.now() - started)
    await begun?.()
    const late = setTimeout(() => { throw new Error(`${workflow.name}: ${all.length} of ${workflow.workflow.tasks.length} tasks were told in ${seconds} s`) }, seconds * 1000)
    await complete
    clearTimeout(late)
    assert.equal(new Set(all.map((n) => n.receipt.ran.toString())).size, workflow.workflow.tasks.length, `${workflow.name}: a task was told twice`)
    for (const n of all) {
      assert.equal(n.metadata.name, workflow.name)
      const block = await Block.encode({ value: n.receipt, codec, hasher: sha3256 })
      assert.equal(n.receipt_cid.toString(), block.cid.toString(), 'receipt_cid')
    }
    told += all.length
    return all
  }

  /** Closes the connection; nothing may have come that was not asked for. */
  async close(expected) {
    await this.homestar.health() // what was sent before has come
    assert.deepEqual(this.errors, [])
    if (expected !== undefined) assert.equal([...this.sent.values()].reduce((a, b) => a + b, 0), expected, 'notifications')
    this.homestar.close()
  }
}

let acks = []
let told = 0

/** A workflow of n tasks, each of which adds one to what the one before came to. */
const chain = (name, n, from = 0) =>
  build.workflow({
    name,
    workflow: {
      tasks: Array.from({ length: n }, (_, i) =>
        build.addOne({ name: `t${i}`, resource: `ipfs://${modules.addOne}`, args: { a: i === 0 ? from : `{{needs.t${i - 1}.output}}` } })),
    },
  })

/** Cancels the one workflow that has not ended. */
const cancel = async () => {
  const workflows = `http://${address}/v1/workflows`
  const list = await (await fetch(`${workflows}?state=unfinished`)).json()
  assert.equal(list.workflows.length, 1)
  const { status } = await fetch(`${workflows}/${list.workflows[0].workflow}`, { method: 'DELETE' })
  assert.equal(status, 200)
}

const scenarios = {
  async 'health, node and metrics'() {
    const client = new Client()
    const health = await client.homestar.health()
    assert.equal(health.result.healthy, true, health.error)
    const metrics = await client.homestar.metrics()
    assert.ok(version === '1' ? metrics.result.length > 0 : Schemas.Metrics.parse(metrics.result), metrics.error)
    if (version === '2') {
      const node = await client.homestar.node()
      assert.match(Schemas.Node.parse(node.result).static.peer_id, /^did:key:z/)
    }
    await client.close(0)
  },

  async 'a workflow'() {
    const client = new Client()
    const all = await client.run(await chain(`first-${version}`, 5, 10))
    assert.deepEqual(all.map((n) => n.receipt.out), [11, 12, 13, 14, 15].map((n) => ['ok', n]))
    assert.deepEqual(all.map((n) => n.receipt.meta.op), Array(5).fill('add-one'))
    await client.close(5)
  },

  async 'the same a hundred times'() {
    const client = new Client()
    const workflow = await chain(`again-${version}`, 3, version * 1000)
    await client.run(workflow)
    for (let i = 0; i < 100; i++) {
      const all = await client.run(workflow)
      assert.ok(all.every((n) => n.metadata.replayed), 'replayed')
    }
    await client.close(303)
  },

  async 'bytes'() {
    const client = new Client()
    const workflow = await build.workflow({
      name: 'picture',
      workflow: { tasks: [build.invocation({ name: 'rotate', resource: `ipfs://${modules.image}`, func: 'rotate', args: [`{{cid:${modules.picture}}}`, 1] })] },
    })
    const [{ receipt: { out: [status, value] } }] = await client.run(workflow)
    assert.equal(status, 'ok')
    assert.ok(value instanceof Uint8Array && value.length > 1024)
    await client.close(1)
  },

  async 'a task that fails, and those that wait for it'() {
    const client = new Client()
    const resource = `ipfs://${modules.image}`
    const workflow = await build.workflow({
      name: 'failing',
      workflow: {
        tasks: [
          build.grayscale({ name: 'bad', resource, args: { data: `{{cid:${modules.addOne}}}` } }), // which is no picture
          build.grayscale({ name: 'after', resource, args: { data: '{{needs.bad.output}}' } }),
          build.grayscale({ name: 'last', resource, args: { data: '{{needs.after.output}}' } }),
        ],
      },
    })
    for (let i = 0; i < 2; i++) {
      const [bad, ...waiting] = await client.run(workflow)
      assert.equal(bad.receipt.out[0], 'error')
      assert.equal(bad.receipt.out[1].kind, 'guest')
      assert.ok(bad.receipt.out[1].message && typeof bad.receipt.out[1].value === 'string')
      for (const n of waiting) {
        assert.equal(n.receipt.out[0], 'error')
        assert.match(n.receipt.out[1].kind, /^(branch-mismatch|upstream|cancelled)$/)
        assert.ok(n.receipt.out[1].message)
      }
    }
    await client.close(6)
  },

  async 'a task that is cancelled'() {
    const client = new Client()
    const workflow = await build.workflow({
      name: 'slow',
      workflow: { tasks: [build.invocation({ name: 'slow', resource: `ipfs://${modules.slow}`, func: 'spin', args: [Number(version)] }), build.invocation({ name: 'next', resource: `ipfs://${modules.slow}`, func: 'spin', args: ['{{needs.slow.output}}'] })] },
    })
    workflow.workflow.tasks[0].meta.fuel = 100_000_000_000
    const all = await client.run(workflow, { begun: cancel })
    assert.deepEqual(all.map((n) => n.receipt.out[0]), ['error', 'error'])
    assert.deepEqual(all.map((n) => n.receipt.out[1].kind), ['cancelled', 'cancelled'])
    await client.close(2)
  },

  async 'a thousand tasks'() {
    const client = new Client()
    const all = await client.run(await chain(`thousand-${version}`, 1000, version * 10_000))
    assert.ok(all.every((n) => n.receipt.out[0] === 'ok'))
    await client.close(1000)
  },

  async 'fifty clients at once'() {
    const clients = Array.from({ length: 50 }, () => new Client())
    const shared = await chain(`shared-${version}`, 20, version * 100_000)
    await Promise.all(clients.map(async (client, i) => {
      const own = await chain(`own-${version}-${i}`, 20, version * 200_000 + i * 100)
      await Promise.all([client.run(shared), client.run(own)])
      await client.run(shared)
    }))
    await Promise.all(clients.map((client) => client.close(60)))
  },

  async 'what is wrong is said'() {
    const client = new Client()
    const workflow = await chain('wrong', 1)
    workflow.workflow.tasks[0].run.input.args.push(7)
    const { error } = await client.homestar.runWorkflow(workflow, () => assert.fail('told'))
    assert.match(error.message, /\/workflow\/tasks\/0\/run\/input\/args: .* 1 argument, got 2/)
    await client.close(0)
  },
}

const acknowledged = {}
for (const [name, scenario] of Object.entries(scenarios)) {
  const started = performance.now()
  acks = []
  await scenario()
  acks.sort((a, b) => a - b)
  if (acks.length > 0) acknowledged[name] = { median: acks[acks.length >> 1], slowest: acks.at(-1) }
  console.error(`${name}: ${Math.round(performance.now() - started)} ms`)
}
console.log(JSON.stringify({ told, acknowledged, scenarios: Object.keys(scenarios) }))
process.exit(0)
