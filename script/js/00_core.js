// What every file of the prelude builds on, and the language features that the engine lacks.
(function (host, lib) {
  const advice = 'run this migration with Node instead: set SCHEMAGATE_COMMAND, for example to "npx migrate-mongo up"'

  lib.advice = advice
  lib.unsupported = (name, hint) => new Error(`${name} is not supported by schemagate: ${hint || advice}`)

  // Names that code asks of any object, only to see whether they are there.
  const probes = new Set(['then', 'catch', 'finally', 'toJSON', 'toBSON', 'inspect', 'constructor', 'nodeType', 'asymmetricMatch', '$$typeof',
    '_bsontype', 'default', '__esModule'])

  // guard makes names that an object does not have fail instead of reading as undefined. A lookup reaches it only after the object and its class had nothing.
  lib.guard = (object, name, hint) => {
    const base = Object.getPrototypeOf(object)
    Object.setPrototypeOf(object, new Proxy(Object.create(base), {
      get(target, key, receiver) {
        if (typeof key === 'symbol' || key in target || probes.has(key)) return Reflect.get(target, key, receiver)
        throw lib.unsupported(`${name}.${key}`, typeof hint === 'function' ? hint(key) : hint)
      },
    }))
    return object
  }

  // callable makes a class that may be called without new. It is a function with the class's prototype: the engine's instanceof knows no proxies.
  lib.callable = (C, call, check) => {
    const F = function (...args) {
      if (!new.target) return call ? call(...args) : new C(...args)
      if (check) check(...args)
      return Reflect.construct(C, args, new.target === F ? C : new.target)
    }
    F.prototype = C.prototype
    Object.defineProperty(C.prototype, 'constructor', { value: F, writable: true, configurable: true, enumerable: false })
    Object.defineProperty(F, 'name', { value: C.name })
    return Object.setPrototypeOf(F, C)
  }

  lib.entries = map => Array.from(map.entries())

  const define = (object, name, value) => {
    if (!(name in object)) Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false })
  }

  define(Symbol, 'asyncIterator', Symbol.for('Symbol.asyncIterator'))
  define(globalThis, 'global', globalThis)
  define(Error, 'captureStackTrace', () => {})

  define(Object, 'groupBy', (items, f) => {
    const groups = Object.create(null)
    let i = 0
    for (const item of items) (groups[f(item, i++)] ||= []).push(item)
    return groups
  })
  define(Map, 'groupBy', (items, f) => {
    const groups = new Map()
    let i = 0
    for (const item of items) {
      const key = f(item, i++)
      if (groups.has(key)) groups.get(key).push(item)
      else groups.set(key, [item])
    }
    return groups
  })
  define(Promise, 'withResolvers', function () {
    let resolve, reject
    const promise = new this((a, b) => { resolve = a; reject = b })
    return { promise, resolve, reject }
  })
  define(Array, 'fromAsync', async (items, f) => {
    const out = []
    const make = items[Symbol.asyncIterator] || items[Symbol.iterator]
    const add = async value => out.push(f ? await f(await value, out.length) : await value)
    if (!make) {
      for (let i = 0; i < items.length; i++) await add(items[i])
      return out
    }
    const iterator = make.call(items)
    for (let step = await iterator.next(); !step.done; step = await iterator.next()) await add(step.value)
    return out
  })

  // Unicode property escapes compile in this engine but match nothing; they are refused rather than wrong.
  const NativeRegExp = RegExp
  const checkRegExp = (pattern, flags) => {
    const source = pattern instanceof NativeRegExp ? pattern.source : String(pattern)
    const unicode = flags === undefined ? pattern instanceof NativeRegExp && pattern.unicode : String(flags).includes('u')
    if (unicode && /(^|[^\\])(\\\\)*\\[pP]\{/.test(source)) throw lib.unsupported('\\p{...} in a regular expression', 'spell the characters out, or ' + advice)
  }
  globalThis.RegExp = lib.callable(NativeRegExp, (...args) => {
    checkRegExp(...args)
    return NativeRegExp(...args)
  }, checkRegExp)

  // There is no Intl here: what depends on a locale would come out unlike Node's, and be stored.
  const locale = (proto, type, names) => {
    for (const name of names) {
      Object.defineProperty(proto, name, { value() { throw lib.unsupported(`${type}.${name}`, 'there are no locales here; format the value in the script') }, writable: true, configurable: true })
    }
  }
  locale(Number.prototype, 'Number', ['toLocaleString'])
  locale(BigInt.prototype, 'BigInt', ['toLocaleString'])
  locale(Date.prototype, 'Date', ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString'])
  Object.defineProperty(globalThis, 'Intl', { value: lib.guard({}, 'Intl'), writable: true, configurable: true })

  for (const name of ['fetch', 'XMLHttpRequest', 'WebSocket', 'importScripts']) {
    define(globalThis, name, function () { throw lib.unsupported(name, 'a script reaches no network; ' + advice) })
  }

  globalThis.queueMicrotask = f => { Promise.resolve().then(() => f()) }
})
