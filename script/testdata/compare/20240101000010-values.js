const { ObjectId, Long, Decimal128, UUID, Binary, Timestamp, Int32, Double, MinKey, MaxKey, Code, BSONRegExp, DBRef } = require('mongodb')
const { EJSON } = require('bson')
const util = require('util')

module.exports = {
  async up(db) {
    const out = db.collection('values')
    const keep = (_id, v) => out.insertOne({ _id, v: v.map(x => x === undefined ? 'undefined' : typeof x === 'object' && x !== null ? JSON.stringify(x) : x) })
    const id = new ObjectId('65A0b0c0d0e0f00102030405')
    await keep('objectid', [id.toHexString(), String(id), `${id}`, id.equals('65a0b0c0d0e0f00102030405'), id.equals(new ObjectId()), id.getTimestamp().toISOString(), ObjectId.isValid('zz'), ObjectId.isValid(String(id)),
      ObjectId.isValid('123456789012'), JSON.stringify({ id }), ObjectId.createFromHexString(String(id)).equals(id), new ObjectId(id).equals(id), String(ObjectId.createFromTime(5)), id.id.length, util.inspect(id), new ObjectId().equals(null), id._bsontype])
    const long = Long.fromString('9223372036854775806')
    await keep('long', [long.toString(), long.add(1).toString(), long.add(2).toString(), Long.fromNumber(5).multiply(7).toNumber(), Long.fromInt(-7).divide(2).toString(), Long.fromInt(-7).modulo(2).toString(), long.low, long.high,
      long.greaterThan(5), Long.fromNumber(3).equals(3), Long.fromBits(1, 2).toString(), Long.fromNumber(255).toString(16), Long.MAX_VALUE.toString(), Long.MIN_VALUE.negate().toString(), Long.isLong(long), String(long.toBigInt()), Long.fromString('-ff', 16).toNumber(),
      long.compare(Long.ONE), Long.fromNumber(6).shiftLeft(2).toInt(), Long.fromNumber(2 ** 60).toString(), Long.fromBigInt(5n).toNumber(), Long.fromNumber(-1).toUnsigned().toString()])
    const uuid = new UUID('123E4567-e89b-42d3-a456-426614174000')
    await keep('uuid', [uuid.toString(), uuid.toHexString(false), uuid.equals('123e4567-e89b-42d3-a456-426614174000'), UUID.isValid('no'), new UUID().toString().length, JSON.stringify({ uuid }), uuid.sub_type, uuid instanceof Binary])
    await keep('others', [Decimal128.fromString('1.10').toString(), JSON.stringify(Decimal128.fromString('1E+3')), new Int32(5) + 1, new Double(2.5) * 2, JSON.stringify(new Int32(5)), new Timestamp({ t: 1, i: 2 }).toString(), new Code('x').code, new BSONRegExp('a', 'mi').options,
      new Binary(Buffer.from('abc')).toString(), new Binary(Buffer.from('abc')).length(), new Binary(Buffer.from('abc')).toString('hex'), new DBRef('c', 5).collection, new MinKey()._bsontype, new MaxKey()._bsontype])
    await keep('ejson', [EJSON.stringify({ a: 1, d: new Date(0), l: Long.fromNumber(5) }), EJSON.stringify({ a: 1 }, { relaxed: false }), EJSON.parse('{"a":{"$oid":"65a0b0c0d0e0f00102030405"}}').a.toString(), EJSON.parse('{"d":{"$date":"2020-01-01T00:00:00Z"}}').d.toISOString()])
    await keep('inspect', [util.inspect({ a: [1, 'x', { b: null }], 'c-d': undefined }), util.inspect('s'), util.inspect([]), util.inspect({}), util.inspect(new Map([[1, { a: 2 }]])), util.inspect(new Set([1])), util.inspect(5n), util.inspect(-0),
      util.format('%s %d %i %j %%', 'a', 1.5, 2.7, { x: 1 }), util.format('a', 'b', { c: 1 }), util.inspect(Long.fromNumber(5)), util.isDeepStrictEqual({ a: 1 }, { a: 1 })])
  },
}
