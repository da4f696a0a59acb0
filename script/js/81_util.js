// util and assert, as far as migrations use them, and console.
(function (host, lib) {
  const { guard, inspectSymbol } = lib
  const maxItems = 100
  const maxText = 10000

  const inspect = (v, options) => {
    const depth = options && options.depth !== undefined ? (options.depth === null ? 20 : options.depth) : 4
    const seen = []
    const show = (x, level) => {
      if (typeof x === 'string') return level === 0 ? x : `'${x.replace(/\\/g, '\\\\').replace(/'/g, "\\'").replace(/\n/g, '\\n')}'`
      if (typeof x === 'bigint') return `${x}n`
      if (typeof x === 'function') return x.name ? `[Function: ${x.name}]` : '[Function (anonymous)]'
      if (typeof x === 'symbol') return x.toString()
      if (Object.is(x, -0)) return '-0'
      if (x === null || typeof x !== 'object') return String(x)
      const custom = x[inspectSymbol]
      if (typeof custom === 'function') return String(custom.call(x, depth - level, {}, inspect))
      if (x instanceof Error) return errorText(x, level)
      if (x instanceof Date) return Number.isNaN(x.getTime()) ? 'Invalid Date' : x.toISOString()
      if (x instanceof RegExp) return String(x)
      if (x instanceof Promise) return 'Promise {}'
      if (x instanceof Uint8Array) return `<Buffer ${lib.decode(x.subarray(0, 50), 'hex').replace(/(..)(?=.)/g, '$1 ')}${x.length > 50 ? ' ...' : ''}>`
      if (seen.includes(x)) return '[Circular *1]'
      if (level > depth) return Array.isArray(x) ? '[Array]' : '[Object]'
      seen.push(x)
      try {
        return fields(x, level)
      } finally {
        seen.pop()
      }
    }
    const cut = (parts, total) => total > maxItems ? parts.concat(`... ${total - maxItems} more`) : parts
    const fields = (x, level) => {
      const wrap = (open, parts, close) => parts.length ? `${open} ${parts.join(', ')} ${close}` : open + close
      if (Array.isArray(x)) return wrap('[', cut(x.slice(0, maxItems).map(e => show(e, level + 1)), x.length), ']')
      if (x instanceof Map) return wrap(`Map(${x.size}) {`, cut([...x].slice(0, maxItems).map(([k, e]) => `${show(k, level + 1)} => ${show(e, level + 1)}`), x.size), '}')
      if (x instanceof Set) return wrap(`Set(${x.size}) {`, cut([...x].slice(0, maxItems).map(e => show(e, level + 1)), x.size), '}')
      const keys = Object.keys(x)
      const name = Object.getPrototypeOf(x) === null ? '[Object: null prototype] ' : x.constructor && x.constructor !== Object && x.constructor.name ? x.constructor.name + ' ' : ''
      const key = k => /^[A-Za-z_$][\w$]*$/.test(k) ? k : `'${k}'`
      return wrap(name + '{', cut(keys.slice(0, maxItems).map(k => `${key(k)}: ${show(x[k], level + 1)}`), keys.length), '}')
    }
    const errorText = (e, level) => {
      const extra = Object.keys(e).filter(k => !['stack', 'message'].includes(k))
      const text = level === 0 && e.stack ? lib.ownStack(e) : `[${e.name}: ${e.message}]`
      return extra.length && level === 0 ? `${text} { ${extra.map(k => `${k}: ${show(e[k], level + 1)}`).join(', ')} }` : text
    }
    const out = show(v, options && options.quoteStrings ? 1 : 0)
    return out.length > maxText ? out.slice(0, maxText) + '...' : out
  }
  lib.inspect = v => inspect(v, { quoteStrings: true })
  // ownStack leaves out the frames of the prelude, and the engine's offset behind a position.
  lib.ownStack = e => String(e.stack).split('\n').filter(l => !/^\s+at .*(schemagate:|\(native\))/.test(l)).map(l => l.replace(/(:\d+:\d+)\(\d+\)/, '$1')).join('\n').trim()

  const format = (first, ...rest) => {
    if (typeof first !== 'string') return [first, ...rest].map(v => inspect(v)).join(' ')
    const text = first.replace(/%[sdifjoOc%]/g, spec => {
      if (spec === '%%') return '%'
      if (!rest.length) return spec
      const v = rest.shift()
      switch (spec) {
        case '%s': return typeof v === 'string' ? v : inspect(v, { depth: 0 })
        case '%d': return typeof v === 'bigint' ? `${v}n` : String(Number(v))
        case '%i': return String(parseInt(v, 10))
        case '%f': return String(parseFloat(v))
        case '%j': try { return JSON.stringify(v) } catch { return '[Circular]' }
        case '%c': return ''
        default: return inspect(v)
      }
    })
    return [text, ...rest.map(v => inspect(v))].join(' ')
  }

  const timers = new Map()
  const counts = new Map()
  let indent = ''
  const printer = level => (...args) => host.log(level, indent + format(...args))
  globalThis.console = guard({
    log: printer('info'), info: printer('info'), debug: printer('debug'), trace: printer('debug'), warn: printer('warn'), error: printer('error'),
    dir: v => host.log('info', indent + inspect(v)),
    table: v => host.log('info', indent + inspect(v)),
    assert: (ok, ...args) => { if (!ok) host.log('error', indent + 'Assertion failed' + (args.length ? ': ' + format(...args) : '')) },
    group: (...args) => {
      if (args.length) printer('info')(...args)
      indent += '  '
    },
    groupEnd: () => { indent = indent.slice(2) },
    time: (name = 'default') => { timers.set(name, host.now()) },
    timeLog: (name = 'default', ...rest) => printer('info')(`${name}: ${(host.now() - (timers.get(name) || 0)).toFixed(3)}ms`, ...rest),
    timeEnd: (name = 'default') => {
      globalThis.console.timeLog(name)
      timers.delete(name)
    },
    count: (name = 'default') => {
      counts.set(name, (counts.get(name) || 0) + 1)
      printer('info')(`${name}: ${counts.get(name)}`)
    },
    countReset: (name = 'default') => { counts.delete(name) },
  }, 'console')

  // same compares deeply; strict minds types and prototypes.
  const same = (a, b, strict) => {
    const pairs = []
    const eq = (x, y) => {
      if (strict ? Object.is(x, y) : x == y || (x !== x && y !== y)) return true // eslint-disable-line eqeqeq
      if (x === null || y === null || typeof x !== 'object' || typeof y !== 'object') return false
      if (x[host.kind] || y[host.kind]) return x[host.kind] === y[host.kind] && inspect(x) === inspect(y)
      if (strict && Object.getPrototypeOf(x) !== Object.getPrototypeOf(y)) return false
      if (x instanceof Date || y instanceof Date) return x instanceof Date && y instanceof Date && Object.is(x.getTime(), y.getTime())
      if (x instanceof RegExp || y instanceof RegExp) return String(x) === String(y)
      if (x instanceof Error || y instanceof Error) return x.name === y.name && x.message === y.message
      if (Array.isArray(x) !== Array.isArray(y)) return false
      if (pairs.some(([p, q]) => p === x && q === y)) return true
      pairs.push([x, y])
      if (x instanceof Map || y instanceof Map) return x instanceof Map && y instanceof Map && x.size === y.size && [...x].every(([k, e]) => y.has(k) && eq(e, y.get(k)))
      if (x instanceof Set || y instanceof Set) return x instanceof Set && y instanceof Set && x.size === y.size && [...x].every(e => y.has(e) || [...y].some(f => eq(e, f)))
      const keys = Object.keys(x)
      return keys.length === Object.keys(y).length && keys.every(k => Object.hasOwn(y, k) && eq(x[k], y[k]))
    }
    return eq(a, b)
  }

  class AssertionError extends Error {
    constructor(options) {
      super(options.message)
      Object.assign(this, { code: 'ERR_ASSERTION', actual: options.actual, expected: options.expected, operator: options.operator })
    }
    get name() { return 'AssertionError' }
  }
  const check = (ok, message, actual, expected, operator, text) => {
    if (ok) return
    if (message instanceof Error) throw message
    throw new AssertionError({ message: message === undefined ? text : message, actual, expected, operator })
  }
  const compare = (operator, text, f) => (a, b, message) => check(f(a, b), message, a, b, operator, `${text}: ${lib.inspect(a)} and ${lib.inspect(b)}`)
  const matches = (e, expected) => {
    if (expected === undefined) return true
    if (expected instanceof RegExp) return expected.test(String(e))
    if (typeof expected === 'function') return expected.prototype !== undefined && e instanceof expected ? true : Error.isPrototypeOf(expected) ? false : expected.call({}, e) === true
    return Object.keys(expected).every(k => expected[k] instanceof RegExp && typeof e[k] === 'string' ? expected[k].test(e[k]) : same(e[k], expected[k], true))
  }
  const threw = (e, expected, message) => {
    if (typeof expected === 'string') return
    if (!matches(e, expected)) check(false, message, e, expected, 'throws', `The error does not match: ${lib.inspect(e)}`)
  }
  const assert = (v, message) => check(v, message, v, true, '==', `The expression evaluated to a falsy value: ${lib.inspect(v)}`)
  const settle = async f => (typeof f === 'function' ? f() : f)
  Object.assign(assert, {
    AssertionError,
    ok: assert,
    fail: message => check(false, message, undefined, undefined, 'fail', 'Failed'),
    ifError: e => { if (e !== null && e !== undefined) throw e },
    equal: compare('==', 'Expected values to be loosely equal', (a, b) => a == b || (a !== a && b !== b)), // eslint-disable-line eqeqeq
    notEqual: compare('!=', 'Expected values to be loosely unequal', (a, b) => a != b), // eslint-disable-line eqeqeq
    strictEqual: compare('strictEqual', 'Expected values to be strictly equal', Object.is),
    notStrictEqual: compare('notStrictEqual', 'Expected values to be strictly unequal', (a, b) => !Object.is(a, b)),
    deepEqual: compare('deepEqual', 'Expected values to be loosely deep-equal', (a, b) => same(a, b, false)),
    notDeepEqual: compare('notDeepEqual', 'Expected values not to be loosely deep-equal', (a, b) => !same(a, b, false)),
    deepStrictEqual: compare('deepStrictEqual', 'Expected values to be strictly deep-equal', (a, b) => same(a, b, true)),
    notDeepStrictEqual: compare('notDeepStrictEqual', 'Expected values not to be strictly deep-equal', (a, b) => !same(a, b, true)),
    match: (s, r, message) => check(r.test(s), message, s, r, 'match', `The input did not match ${r}: ${lib.inspect(s)}`),
    doesNotMatch: (s, r, message) => check(!r.test(s), message, s, r, 'doesNotMatch', `The input was expected not to match ${r}: ${lib.inspect(s)}`),
    throws: (f, expected, message) => {
      try {
        f()
      } catch (e) {
        return threw(e, expected, message)
      }
      check(false, typeof expected === 'string' ? expected : message, undefined, expected, 'throws', 'Missing expected exception.')
    },
    doesNotThrow: f => { f() },
    rejects: async (f, expected, message) => {
      try {
        await settle(f)
      } catch (e) {
        return threw(e, expected, message)
      }
      check(false, typeof expected === 'string' ? expected : message, undefined, expected, 'rejects', 'Missing expected rejection.')
    },
    doesNotReject: async f => { await settle(f) },
  })
  assert.strict = assert

  const promisify = f => (...args) => new Promise((resolve, reject) => f(...args, (e, v) => (e ? reject(e) : resolve(v))))
  lib.util = {
    format, inspect: Object.assign((v, options) => inspect(v, { quoteStrings: true, ...(typeof options === 'object' ? options : {}) }), { custom: inspectSymbol }), promisify,
    isDeepStrictEqual: (a, b) => same(a, b, true),
    inherits: (C, Base) => { Object.setPrototypeOf(C.prototype, Base.prototype) },
    deprecate: f => f,
    isArray: Array.isArray,
    types: guard({
      isDate: v => v instanceof Date, isRegExp: v => v instanceof RegExp, isPromise: v => v instanceof Promise, isMap: v => v instanceof Map, isSet: v => v instanceof Set,
      isNativeError: v => v instanceof Error, isUint8Array: v => v instanceof Uint8Array,
    }, 'util.types'),
    TextEncoder: globalThis.TextEncoder, TextDecoder: globalThis.TextDecoder,
  }
  lib.assert = assert
})
