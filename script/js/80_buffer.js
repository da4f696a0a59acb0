// Buffer, as far as migrations use it, and the encodings around it.
(function (host, lib) {
  const encodings = { utf8: 'utf8', 'utf-8': 'utf8', hex: 'hex', base64: 'base64', base64url: 'base64url', latin1: 'latin1', binary: 'latin1', ascii: 'latin1' }
  const encoding = name => {
    const e = encodings[String(name === undefined || name === null ? 'utf8' : name).toLowerCase()]
    if (!e) throw new TypeError(`Unknown encoding: ${name}`)
    return e
  }
  const encode = (text, name) => {
    const e = encoding(name)
    return host.encodeText(text, e === 'base64url' ? 'base64' : e)
  }
  lib.decode = (bytes, name) => host.decodeText(bytes, encoding(name))

  class Buffer extends Uint8Array {
    static from(v, a, b) {
      if (typeof v === 'string') return new Buffer(encode(v, a))
      if (v instanceof ArrayBuffer) return a === undefined ? new Buffer(v) : b === undefined ? new Buffer(v, a) : new Buffer(v, a, b)
      if (v && v.type === 'Buffer' && Array.isArray(v.data)) v = v.data
      const out = new Buffer(v.length)
      for (let i = 0; i < v.length; i++) out[i] = v[i]
      return out
    }
    static alloc(n, fill) {
      const out = new Buffer(n)
      return fill === undefined ? out : out.fill(fill)
    }
    static allocUnsafe(n) { return new Buffer(n) }
    static concat(list, length) {
      const out = new Buffer(length === undefined ? list.reduce((n, b) => n + b.length, 0) : length)
      let at = 0
      for (const b of list) {
        const part = b.subarray(0, Math.max(0, out.length - at))
        out.set(part, at)
        at += part.length
      }
      return out
    }
    static isBuffer(v) { return v instanceof Buffer }
    static isEncoding(name) { return Object.hasOwn(encodings, String(name).toLowerCase()) }
    static byteLength(v, name) { return typeof v === 'string' ? encode(v, name).byteLength : v.byteLength }
    static compare(a, b) {
      for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1
      return Math.sign(a.length - b.length)
    }
    toString(name, start, end) { return lib.decode(start === undefined && end === undefined ? this : this.subarray(start, end), name) }
    toJSON() { return { type: 'Buffer', data: Array.from(this) } }
    equals(other) { return Buffer.compare(this, other) === 0 }
    slice(start, end) { return this.subarray(start, end) }
    write(text, offset) {
      const bytes = new Uint8Array(encode(text)).subarray(0, this.length - (offset || 0))
      this.set(bytes, offset || 0)
      return bytes.length
    }
  }
  lib.guard(Buffer.prototype, 'Buffer')
  lib.Buffer = Buffer
  lib.buffer = arrayBuffer => new Buffer(arrayBuffer)
  globalThis.Buffer = Buffer

  globalThis.TextEncoder = class TextEncoder {
    get encoding() { return 'utf-8' }
    encode(text) { return new Uint8Array(host.encodeText(text === undefined ? '' : String(text), 'utf8')) }
  }
  globalThis.TextDecoder = class TextDecoder {
    constructor(name) { this.encoding = encoding(name) === 'utf8' ? 'utf-8' : encoding(name) }
    decode(bytes) { return bytes === undefined ? '' : lib.decode(bytes, this.encoding) }
  }
  globalThis.btoa = s => lib.decode(new Uint8Array(host.encodeText(String(s), 'latin1')), 'base64')
  globalThis.atob = s => lib.decode(new Uint8Array(host.encodeText(String(s), 'base64')), 'latin1')

  globalThis.structuredClone = v => {
    const seen = new Map()
    const clone = x => {
      if (typeof x === 'function' || typeof x === 'symbol') throw new Error('structuredClone: a function cannot be cloned')
      if (x === null || typeof x !== 'object') return x
      if (seen.has(x)) return seen.get(x)
      const keep = out => { seen.set(x, out); return out }
      if (x instanceof Date) return keep(new Date(x.getTime()))
      if (x instanceof RegExp) return keep(new RegExp(x.source, x.flags))
      if (x instanceof Uint8Array) return keep(new Uint8Array(x))
      if (x instanceof ArrayBuffer) return keep(x.slice(0))
      if (x instanceof Map) {
        const out = keep(new Map())
        for (const [k, e] of x) out.set(clone(k), clone(e))
        return out
      }
      if (x instanceof Set) {
        const out = keep(new Set())
        for (const e of x) out.add(clone(e))
        return out
      }
      if (x instanceof Error) return keep(Object.assign(new x.constructor(x.message), x))
      // Node would strip the BSON classes to bare objects; here they stay what they are.
      const out = keep(Array.isArray(x) ? new Array(x.length) : Object.create(x[host.kind] ? Object.getPrototypeOf(x) : Object.prototype))
      if (host.value in x) out[host.value] = x[host.value]
      for (const k of Object.keys(x)) out[k] = clone(x[k])
      return out
    }
    return clone(v)
  }
})
