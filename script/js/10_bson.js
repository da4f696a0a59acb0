// The BSON classes as js-bson has them. The host knows an instance by host.kind on its prototype, and reads host.value.
(function (host, lib) {
  const { kind, value } = host
  const inspect = lib.inspectSymbol = Symbol.for('nodejs.util.inspect.custom')

  class BSONError extends Error {
    get name() { return 'BSONError' }
  }
  lib.BSONError = BSONError

  // Older scripts call the constructors without new.
  const { callable } = lib
  const types = lib.types = {}
  const type = (name, C, show) => {
    Object.defineProperty(C.prototype, kind, { value: name })
    Object.defineProperty(C.prototype, '_bsontype', { value: name })
    Object.defineProperty(C.prototype, inspect, { value: show })
    types[name] = callable(C)
  }
  const hexDigits = /^[0-9a-fA-F]*$/

  class ObjectId {
    constructor(input) {
      if (input === undefined || input === null) this[value] = host.newObjectId()
      else if (typeof input === 'number') this[value] = secondsHex(input) + host.newObjectId().slice(8)
      else if (typeof input === 'string' && input.length === 24 && hexDigits.test(input)) this[value] = input.toLowerCase()
      else if (input instanceof Uint8Array && input.length === 12) this[value] = lib.decode(input, 'hex')
      else if (input[kind] === 'ObjectId') this[value] = input[value]
      else if (typeof input.toHexString === 'function') return new ObjectId(input.toHexString())
      else throw new BSONError('input must be a 24 character hex string, 12 byte Uint8Array, or an integer')
    }
    get id() { return lib.buffer(host.encodeText(this[value], 'hex')) }
    toHexString() { return this[value] }
    toString(encoding) { return encoding === 'base64' ? lib.decode(this.id, 'base64') : this[value] }
    toJSON() { return this[value] }
    equals(other) {
      if (other === undefined || other === null) return false
      if (other[kind] === 'ObjectId') return other[value] === this[value]
      if (typeof other === 'string') return other.toLowerCase() === this[value]
      return typeof other.toHexString === 'function' && other.toHexString() === this[value]
    }
    getTimestamp() { return new Date(parseInt(this[value].slice(0, 8), 16) * 1000) }
    static generate(time) { return new ObjectId(time === undefined ? undefined : time).id }
    static createFromTime(time) { return new ObjectId(secondsHex(time) + '0000000000000000') }
    static createFromHexString(hex) {
      if (typeof hex !== 'string' || hex.length !== 24) throw new BSONError('hex string must be 24 characters')
      return new ObjectId(hex)
    }
    static createFromBase64(text) { return new ObjectId(lib.buffer(host.encodeText(text, 'base64'))) }
    static isValid(input) {
      if (input === undefined || input === null) return false
      if (typeof input === 'string') return input.length === 24 && hexDigits.test(input)
      try { new ObjectId(input); return true } catch { return false }
    }
  }
  const secondsHex = n => (Math.floor(n) >>> 0).toString(16).padStart(8, '0')
  type('ObjectId', ObjectId, function () { return `new ObjectId('${this[value]}')` })

  class Int32 {
    constructor(v) { this.value = Number(v) | 0 }
    static fromString(s) { return new Int32(s) }
    valueOf() { return this.value }
    toString(radix) { return this.value.toString(radix) }
    toJSON() { return this.value }
  }
  type('Int32', Int32, function () { return `new Int32(${this.value})` })

  class Double {
    constructor(v) { this.value = Number(v) }
    static fromString(s) { return new Double(s) }
    valueOf() { return this.value }
    toString(radix) { return this.value.toString(radix) }
    toJSON() { return this.value }
  }
  type('Double', Double, function () { return `new Double(${this.value})` })

  class Decimal128 {
    constructor(v) {
      if (typeof v !== 'string') throw new BSONError('Decimal128 must take a string')
      this[value] = host.decimal128(v)
    }
    static fromString(s) { return new Decimal128(s) }
    toString() { return this[value] }
    toJSON() { return { $numberDecimal: this[value] } }
  }
  type('Decimal128', Decimal128, function () { return `new Decimal128('${this[value]}')` })

  class Binary {
    constructor(buffer, subType) {
      if (buffer === undefined || buffer === null) this.buffer = lib.buffer(new ArrayBuffer(0))
      else if (typeof buffer === 'string') this.buffer = lib.buffer(host.encodeText(buffer, 'utf8'))
      else if (buffer instanceof ArrayBuffer) this.buffer = lib.buffer(buffer.slice(0))
      else if (buffer instanceof Uint8Array) this.buffer = buffer
      else if (Array.isArray(buffer)) this.buffer = lib.buffer(new Uint8Array(buffer).buffer)
      else throw new BSONError('Binary can only be constructed from Uint8Array or number[]')
      this.sub_type = subType === undefined ? 0 : subType
      this.position = this.buffer.length
    }
    length() { return this.buffer.length }
    value() { return this.buffer }
    toString(encoding) { return lib.decode(this.buffer, encoding || 'utf8') }
    toJSON() { return lib.decode(this.buffer, 'base64') }
    toUUID() {
      if (this.sub_type !== 4) throw new BSONError('Binary sub_type "' + this.sub_type + '" is not supported for converting to UUID. Only "4" is currently supported.')
      return new UUID(this.buffer)
    }
    static createFromHexString(hex, subType) { return new Binary(lib.buffer(host.encodeText(hex, 'hex')), subType) }
    static createFromBase64(text, subType) { return new Binary(lib.buffer(host.encodeText(text, 'base64')), subType) }
  }
  Object.assign(Binary, { SUBTYPE_DEFAULT: 0, SUBTYPE_FUNCTION: 1, SUBTYPE_BYTE_ARRAY: 2, SUBTYPE_UUID_OLD: 3, SUBTYPE_UUID: 4, SUBTYPE_MD5: 5,
    SUBTYPE_ENCRYPTED: 6, SUBTYPE_COLUMN: 7, SUBTYPE_SENSITIVE: 8, SUBTYPE_VECTOR: 9, SUBTYPE_USER_DEFINED: 128 })
  type('Binary', Binary, function () { return `Binary.createFromBase64('${lib.decode(this.buffer, 'base64')}', ${this.sub_type})` })

  class UUID extends Binary {
    constructor(input) {
      let bytes
      if (input === undefined || input === null) bytes = UUID.generate()
      else if (typeof input === 'string' && UUID.isValidUUIDString(input)) bytes = lib.buffer(host.encodeText(input.replace(/-/g, ''), 'hex'))
      else if (input instanceof Uint8Array && input.length === 16) bytes = lib.buffer(new Uint8Array(input).buffer)
      else if (input[kind] === 'Binary' && input.length() === 16) bytes = input.buffer
      else throw new BSONError('Argument passed in UUID constructor must be a UUID, a 16 byte Buffer or a 32/36 character hex string')
      super(bytes, 4)
    }
    get id() { return this.buffer }
    toHexString(dashes) {
      const hex = lib.decode(this.buffer, 'hex')
      return dashes === false ? hex : hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    }
    toString(encoding) { return encoding === 'base64' || encoding === 'hex' ? lib.decode(this.buffer, encoding) : this.toHexString() }
    toJSON() { return this.toHexString() }
    toBinary() { return new Binary(this.buffer, 4) }
    equals(other) {
      if (other && other[kind] === 'Binary') return lib.decode(other.buffer, 'hex') === lib.decode(this.buffer, 'hex')
      return typeof other === 'string' && UUID.isValid(other) && new UUID(other).equals(this)
    }
    static isValidUUIDString(s) { return /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(s) }
    static isValid(input) {
      if (typeof input === 'string') return UUID.isValidUUIDString(input)
      return input instanceof Uint8Array ? input.length === 16 : Boolean(input && input[kind] === 'Binary' && input.sub_type === 4 && input.length() === 16)
    }
    static generate() {
      const b = new Uint8Array(host.randomBytes(16))
      b[6] = (b[6] & 0x0f) | 0x40
      b[8] = (b[8] & 0x3f) | 0x80
      return lib.buffer(b.buffer)
    }
    static createFromHexString(hex) { return new UUID(hex) }
    static createFromBase64(text) { return new UUID(lib.buffer(host.encodeText(text, 'base64'))) }
  }
  types.UUID = callable(UUID)
  Object.defineProperty(UUID.prototype, inspect, { value() { return `new UUID('${this.toHexString()}')` } })

  class Timestamp {
    constructor(low, high) {
      if (low !== null && typeof low === 'object' && 't' in low && 'i' in low) { this.t = Number(low.t) >>> 0; this.i = Number(low.i) >>> 0 }
      else if (low !== null && (typeof low === 'object' || typeof low === 'bigint')) {
        const n = BigInt.asUintN(64, typeof low === 'bigint' ? low : low.toBigInt())
        this.t = Number(n >> 32n)
        this.i = Number(n & 0xffffffffn)
      } else { this.t = Number(high || 0) >>> 0; this.i = Number(low || 0) >>> 0 }
    }
    get low() { return this.i | 0 }
    get high() { return this.t | 0 }
    getLowBits() { return this.i | 0 }
    getHighBits() { return this.t | 0 }
    toBigInt() { return (BigInt(this.t) << 32n) | BigInt(this.i) }
    toString() { return this.toBigInt().toString() }
    toJSON() { return { $timestamp: this.toString() } }
    equals(other) { return Boolean(other) && other[kind] === 'Timestamp' && other.t === this.t && other.i === this.i }
    static fromBits(low, high) { return new Timestamp({ t: high, i: low }) }
    static fromNumber(n) { return new Timestamp(BigInt(n)) }
    static fromInt(n) { return new Timestamp(BigInt(n)) }
    static fromString(s, radix) { return new Timestamp(types.Long.fromString(s, true, radix).toBigInt()) }
  }
  type('Timestamp', Timestamp, function () { return `new Timestamp({ t: ${this.t}, i: ${this.i} })` })

  class MinKey {}
  type('MinKey', MinKey, () => 'new MinKey()')
  class MaxKey {}
  type('MaxKey', MaxKey, () => 'new MaxKey()')

  class BSONRegExp {
    constructor(pattern, options) {
      this.pattern = String(pattern)
      this.options = String(options || '').split('').sort().join('')
      if ((this.pattern + this.options).includes('\0')) throw new BSONError('BSON Regex patterns and options cannot contain null bytes')
      for (const c of this.options) if (!'imxlsu'.includes(c)) throw new BSONError(`The regular expression option [${c}] is not supported`)
    }
  }
  type('BSONRegExp', BSONRegExp, function () { return `new BSONRegExp('${this.pattern}', '${this.options}')` })

  class BSONSymbol {
    constructor(v) { this.value = String(v) }
    valueOf() { return this.value }
    toString() { return this.value }
    toJSON() { return this.value }
  }
  type('BSONSymbol', BSONSymbol, function () { return `new BSONSymbol('${this.value}')` })

  class Code {
    constructor(code, scope) {
      this.code = String(code)
      this.scope = scope === undefined ? null : scope
    }
    toJSON() { return this.scope === null ? { code: this.code } : { code: this.code, scope: this.scope } }
  }
  type('Code', Code, function () { return `new Code('${this.code}')` })

  class DBRef {
    constructor(collection, oid, db, fields) {
      const dot = String(collection).indexOf('.')
      if (dot > 0 && db === undefined) {
        db = collection.slice(0, dot)
        collection = collection.slice(dot + 1)
      }
      this.collection = collection
      this.oid = oid
      this.db = db
      this.fields = fields || {}
    }
    get namespace() { return this.collection }
    toJSON() { return Object.assign({ $ref: this.collection, $id: this.oid }, this.fields, this.db === undefined ? {} : { $db: this.db }) }
  }
  type('DBRef', DBRef, function () { return `new DBRef('${this.collection}', ${lib.inspect(this.oid)})` })
  lib.dbRefDocument = r => Object.assign({ $ref: r.collection, $id: r.oid }, r.db === undefined ? {} : { $db: r.db }, r.fields)
  // dbRef promotes a document that is a reference, as js-bson does.
  lib.dbRef = doc => {
    const { $ref, $id, $db, ...fields } = doc
    if (typeof $ref !== 'string' || $id === undefined || $id === null || ($db !== undefined && typeof $db !== 'string') || Object.keys(fields).some(k => k.startsWith('$'))) return doc
    return new DBRef($ref, $id, $db, fields)
  }

  lib.ObjectId = ObjectId
  lib.Decimal128 = Decimal128
  // typed makes an instance for the host.
  lib.typed = (name, a, b) => {
    switch (name) {
      case 'Long': return types.Long.fromBigInt(a)
      case 'Timestamp': return new Timestamp({ t: a, i: b })
      case 'Binary': return b === 4 && a.length === 16 ? new UUID(a) : new Binary(a, b)
      case 'DBRef': return new DBRef(a, b)
      default: return new types[name](a, b)
    }
  }
  // regExp makes what js-bson does of a stored expression; the server's s came of a global flag. One that is no JavaScript stays as it is.
  lib.regExp = (pattern, options, keep) => {
    if (!keep) {
      try {
        return new RegExp(pattern, [...options].map(o => ({ m: 'm', s: 'g', i: 'i' })[o] || '').join(''))
      } catch { /* PCRE that this engine can't parse */ }
    }
    const r = new BSONRegExp(pattern)
    r.options = options
    return r
  }
})
