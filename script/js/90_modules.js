// process, timers, and what require() finds.
(function (host, lib) {
  const { guard, unsupported, advice, types } = lib

  // Timers are objects in Node, with an id as their primitive value.
  class Timeout {
    constructor(id) { Object.defineProperty(this, 'id', { value: id }) }
    [Symbol.toPrimitive]() { return this.id }
    ref() { return this }
    unref() { return this }
    hasRef() { return true }
  }
  const delay = ms => (Number.isFinite(Number(ms)) ? Number(ms) : 0)
  globalThis.setTimeout = (f, ms, ...args) => new Timeout(host.setTimer(f, delay(ms), false, ...args))
  globalThis.setInterval = (f, ms, ...args) => new Timeout(host.setTimer(f, delay(ms), true, ...args))
  globalThis.setImmediate = (f, ...args) => { host.setImmediate(f, ...args) }
  globalThis.clearTimeout = t => { if (t !== undefined && t !== null) host.clearTimer(Number(t)) }
  globalThis.clearInterval = globalThis.clearTimeout
  globalThis.clearImmediate = () => {}
  globalThis.performance = guard({ now: () => host.now(), timeOrigin: 0 }, 'performance')

  const write = level => ({ write: text => { host.log(level, String(text).replace(/\n$/, '')); return true }, isTTY: false })
  const refuseEnv = (target, key) => { throw unsupported(`changing process.env.${String(key)}`) }
  globalThis.process = guard({
    env: new Proxy({}, {
      get: (target, key) => typeof key === 'symbol' || key === 'toJSON' || key === 'inspect' || key === 'constructor' ? undefined : host.env(key),
      has: (target, key) => typeof key === 'string' && host.env(key) !== undefined,
      set: refuseEnv,
      deleteProperty: refuseEnv,
      ownKeys: () => { throw unsupported('listing process.env', 'ask for a variable by its name') },
    }),
    argv: ['schemagate'],
    platform: 'linux',
    version: 'v20.0.0',
    versions: guard({ node: '20.0.0' }, 'process.versions'),
    nextTick: (f, ...args) => { Promise.resolve().then(() => f(...args)) },
    stdout: guard(write('info'), 'process.stdout'),
    stderr: guard(write('error'), 'process.stderr'),
    hrtime: Object.assign(() => [Math.floor(host.now() / 1e3), Math.floor((host.now() % 1e3) * 1e6)], { bigint: () => BigInt(Math.floor(host.now() * 1e6)) }),
    uptime: () => host.now() / 1e3,
    on: () => globalThis.process,
    once: () => globalThis.process,
    exit: () => { throw unsupported('process.exit', 'return from up or down, or throw an error') },
  }, 'process')

  const random = n => lib.buffer(host.randomBytes(n))
  const randomUUID = () => new types.UUID().toString()
  const hash = (name, add) => guard({
    update(data, encoding) {
      add(typeof data === 'string' ? lib.Buffer.from(data, encoding) : data)
      return this
    },
    digest(encoding) {
      const out = lib.buffer(host.hash(name, add()))
      return encoding === undefined ? out : out.toString(encoding)
    },
  }, 'crypto hash')
  const createHash = name => {
    const parts = []
    return hash(name, data => data === undefined ? lib.Buffer.concat(parts) : parts.push(data))
  }
  const cryptoModule = { randomUUID, randomBytes: random, createHash }
  globalThis.crypto = guard({
    randomUUID,
    getRandomValues: array => {
      array.set(new array.constructor(host.randomBytes(array.byteLength)))
      return array
    },
  }, 'crypto')

  const sleep = (ms, value) => new Promise(resolve => { globalThis.setTimeout(() => resolve(value), ms) })

  const EJSON = guard({
    parse: text => host.ejsonParse(String(text)),
    stringify: (v, a, b, c) => host.ejsonStringify(v, ([a, b, c].find(x => x !== null && typeof x === 'object' && !Array.isArray(x)) || {}).relaxed === false),
  }, 'EJSON')
  const bson = { ...types, ObjectID: types.ObjectId, BSONError: lib.BSONError, EJSON }
  const BSON = guard({ ...bson }, 'BSON')
  const mongodb = { ...types, ObjectID: types.ObjectId, BSON, ...lib.errors, MongoClient: lib.MongoClient, Db: lib.Db, Collection: lib.Collection, Admin: lib.Admin, ClientSession: lib.ClientSession,
    FindCursor: lib.FindCursor, AggregationCursor: lib.AggregationCursor, BulkWriteResult: lib.BulkWriteResult,
    ReturnDocument: { BEFORE: 'before', AFTER: 'after' },
    ReadPreference: { PRIMARY: 'primary', PRIMARY_PREFERRED: 'primaryPreferred', SECONDARY: 'secondary', SECONDARY_PREFERRED: 'secondaryPreferred', NEAREST: 'nearest',
      primary: 'primary', primaryPreferred: 'primaryPreferred', secondary: 'secondary', secondaryPreferred: 'secondaryPreferred', nearest: 'nearest' } }

  const modules = {
    mongodb: () => mongodb,
    bson: () => ({ ...bson, BSON }),
    util: () => lib.util,
    assert: () => lib.assert,
    'assert/strict': () => lib.assert,
    crypto: () => cryptoModule,
    buffer: () => ({ Buffer: lib.Buffer }),
    process: () => globalThis.process,
    console: () => globalThis.console,
    timers: () => ({ setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate }),
    'timers/promises': () => ({ setTimeout: sleep, setImmediate: value => new Promise(resolve => { globalThis.setImmediate(() => resolve(value)) }) }),
    perf_hooks: () => ({ performance: globalThis.performance }),
    schemagate: () => ({ parse: lib.parse }),
  }
  const loaded = new Map()

  const outside = new Set(['fs', 'fs/promises', 'net', 'http', 'https', 'http2', 'child_process', 'dgram', 'dns', 'dns/promises', 'tls', 'cluster', 'worker_threads', 'os', 'vm', 'module',
    'readline', 'repl', 'inspector', 'v8', 'wasi'])
  const builtin = new Set(['async_hooks', 'constants', 'diagnostics_channel', 'domain', 'events', 'path', 'punycode', 'querystring', 'stream', 'string_decoder', 'sys', 'test', 'tty', 'url', 'zlib'])

  const require = id => {
    if (typeof id !== 'string') throw new TypeError('require: expected a module\'s name')
    const name = id.replace(/^node:/, '')
    if (loaded.has(name)) return loaded.get(name)
    if (Object.hasOwn(modules, name)) {
      const m = modules[name]()
      if (Object.getPrototypeOf(m) === Object.prototype) guard(m, name)
      loaded.set(name, m)
      return m
    }
    throw Object.assign(unsupported(`require('${id}')`, why(name)), { code: 'MODULE_NOT_FOUND' })
  }
  const why = name => {
    if (outside.has(name)) return `a script reaches no files, network or processes; ${advice}`
    if (/^(\.|\/|[A-Za-z]:\\)/.test(name)) return `a migration is one file, since its checksum covers no other: move the code into it, or ${advice}`
    if (builtin.has(name.split('/')[0])) return `this module of Node is not there; ${advice}`
    return `npm packages are not there; ${advice}`
  }
  require.resolve = id => { throw unsupported(`require.resolve('${id}')`) }
  lib.require = require
})
