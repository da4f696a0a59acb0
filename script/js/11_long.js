// Long holds 64 bits as a BigInt, so that none of them is lost.
(function (host, lib) {
  const { kind, value } = host
  const signed = n => BigInt.asIntN(64, n)

  class Long {
    constructor(low, high, unsigned) {
      if (typeof low === 'bigint') {
        this[value] = signed(low)
        this.unsigned = Boolean(high)
      } else if (typeof low === 'string') {
        const parsed = Long.fromString(low, high)
        this[value] = parsed[value]
        this.unsigned = parsed.unsigned
      } else {
        this[value] = signed((BigInt((high || 0) | 0) << 32n) | BigInt((low || 0) >>> 0))
        this.unsigned = Boolean(unsigned)
      }
    }
    get low() { return Number(BigInt.asIntN(32, this[value])) }
    get high() { return Number(BigInt.asIntN(32, this[value] >> 32n)) }
    get __isLong__() { return true }
    getLowBits() { return this.low }
    getHighBits() { return this.high }
    getLowBitsUnsigned() { return this.low >>> 0 }
    getHighBitsUnsigned() { return this.high >>> 0 }
    toBigInt() { return this.unsigned ? BigInt.asUintN(64, this[value]) : this[value] }
    toNumber() { return Number(this.toBigInt()) }
    toInt() { return this.low }
    toString(radix) { return this.toBigInt().toString(radix) }
    valueOf() { return this.toNumber() }
    toJSON() { return { high: this.high, low: this.low, unsigned: this.unsigned } }
    toSigned() { return make(this[value], false) }
    toUnsigned() { return make(this[value], true) }
    toExtendedJSON(options) { return options && options.relaxed === false ? { $numberLong: this.toString() } : this.toNumber() }

    isZero() { return this[value] === 0n }
    isNegative() { return !this.unsigned && this[value] < 0n }
    isPositive() { return !this.isNegative() }
    isOdd() { return (this[value] & 1n) === 1n }
    isEven() { return !this.isOdd() }
    compare(other) {
      const a = this.toBigInt()
      const b = big(other)
      return a < b ? -1 : a > b ? 1 : 0
    }
    equals(other) { return this.compare(other) === 0 }
    notEquals(other) { return this.compare(other) !== 0 }
    lessThan(other) { return this.compare(other) < 0 }
    lessThanOrEqual(other) { return this.compare(other) <= 0 }
    greaterThan(other) { return this.compare(other) > 0 }
    greaterThanOrEqual(other) { return this.compare(other) >= 0 }

    negate() { return make(-this[value], this.unsigned) }
    not() { return make(~this[value], this.unsigned) }
    add(other) { return make(this.toBigInt() + big(other), this.unsigned) }
    subtract(other) { return make(this.toBigInt() - big(other), this.unsigned) }
    multiply(other) { return make(this.toBigInt() * big(other), this.unsigned) }
    divide(other) { return make(this.toBigInt() / nonZero(other), this.unsigned) }
    modulo(other) { return make(this.toBigInt() % nonZero(other), this.unsigned) }
    and(other) { return make(this[value] & big(other), this.unsigned) }
    or(other) { return make(this[value] | big(other), this.unsigned) }
    xor(other) { return make(this[value] ^ big(other), this.unsigned) }
    shiftLeft(bits) { return make(this[value] << BigInt(Number(bits) & 63), this.unsigned) }
    shiftRight(bits) { return make(this[value] >> BigInt(Number(bits) & 63), this.unsigned) }
    shiftRightUnsigned(bits) { return make(BigInt.asUintN(64, this[value]) >> BigInt(Number(bits) & 63), this.unsigned) }

    static isLong(v) { return Boolean(v) && v[kind] === 'Long' }
    static fromInt(n, unsigned) { return make(BigInt(n | 0), unsigned) }
    static fromNumber(n, unsigned) {
      if (Number.isNaN(n)) return make(0n, unsigned)
      if (n <= -(2 ** 63)) return make(unsigned ? 0n : -(2n ** 63n), unsigned)
      if (unsigned ? n >= 2 ** 64 : n >= 2 ** 63) return make(unsigned ? 2n ** 64n - 1n : 2n ** 63n - 1n, unsigned)
      return make(BigInt(Math.trunc(n)), unsigned)
    }
    static fromBigInt(n, unsigned) { return make(n, unsigned) }
    static fromBits(low, high, unsigned) { return new Long(low, high, unsigned) }
    static fromString(s, unsigned, radix) {
      if (typeof unsigned === 'number') [radix, unsigned] = [unsigned, false]
      const m = /^([+-]?)([0-9a-z]+)$/i.exec(String(s))
      if (!m) throw new lib.BSONError(`${JSON.stringify(s)} is not a whole number`)
      const base = BigInt(radix || 10)
      let n = 0n
      for (const c of m[2].toLowerCase()) {
        const digit = BigInt(parseInt(c, 36))
        if (digit >= base) throw new lib.BSONError(`${JSON.stringify(s)} is not a number of base ${base}`)
        n = n * base + digit
      }
      return make(m[1] === '-' ? -n : n, unsigned)
    }
    static fromValue(v, unsigned) {
      if (typeof v === 'number') return Long.fromNumber(v, unsigned)
      if (typeof v === 'string') return Long.fromString(v, unsigned)
      if (typeof v === 'bigint') return make(v, unsigned)
      return Long.isLong(v) ? v : Long.fromBits(v.low, v.high, v.unsigned)
    }
  }
  const make = (n, unsigned) => new Long(signed(n), unsigned)
  const big = v => Long.fromValue(v).toBigInt()
  const nonZero = v => {
    const n = big(v)
    if (n === 0n) throw new Error('division by zero')
    return n
  }

  const names = { compare: ['comp'], equals: ['eq'], notEquals: ['neq', 'ne'], lessThan: ['lt'], lessThanOrEqual: ['lte', 'le'], greaterThan: ['gt'],
    greaterThanOrEqual: ['gte', 'ge'], negate: ['neg'], subtract: ['sub'], multiply: ['mul'], divide: ['div'], modulo: ['mod', 'rem'], isZero: ['eqz'],
    shiftLeft: ['shl'], shiftRight: ['shr'], shiftRightUnsigned: ['shru', 'shr_u'] }
  for (const name in names) for (const alias of names[name]) Long.prototype[alias] = Long.prototype[name]

  Object.defineProperty(Long.prototype, kind, { value: 'Long' })
  Object.defineProperty(Long.prototype, '_bsontype', { value: 'Long' })
  Object.defineProperty(Long.prototype, lib.inspectSymbol, { value() { return `new Long('${this}')` } })
  lib.types.Long = lib.callable(Long)
  Object.assign(Long, { ZERO: make(0n), ONE: make(1n), NEG_ONE: make(-1n), UZERO: make(0n, true), UONE: make(1n, true),
    MAX_VALUE: make(2n ** 63n - 1n), MIN_VALUE: make(-(2n ** 63n)), MAX_UNSIGNED_VALUE: make(2n ** 64n - 1n, true) })
})
