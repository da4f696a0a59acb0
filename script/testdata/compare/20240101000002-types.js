// Reads every type that the server holds, and stores what came of it: as it was read, and told by its JavaScript type.
const { ObjectId, Long, Int32, Double, Binary, UUID, Timestamp, BSONRegExp, ObjectID } = require('mongodb')

exports.up = async function (db) {
  const describe = v => v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v === 'object' ? v._bsontype || v.constructor.name : typeof v
  for await (const doc of db.collection('types_in').find()) {
    const told = {}
    for (const [k, v] of Object.entries(doc)) told[k] = describe(v)
    await db.collection('types_out').insertOne({ ...doc, told })
    await db.collection('types_replaced').insertOne({ _id: doc._id })
    await db.collection('types_replaced').replaceOne({ _id: doc._id }, doc)
  }
  for await (const doc of db.collection('types_in').find({}, { promoteLongs: false })) {
    await db.collection('types_long').insertOne({ _id: doc._id, small: doc.int64, same: doc.int64 instanceof Long })
  }
  for await (const doc of db.collection('types_in').find({}, { useBigInt64: true })) {
    await db.collection('types_bigint').insertOne({ _id: doc._id, small: doc.int64, type: typeof doc.int64 })
  }
  for await (const doc of db.collection('types_in').find({}, { promoteValues: false })) {
    await db.collection('types_values').insertOne({ _id: doc._id, int32: doc.int32, double: doc.whole, t: doc.whole.constructor.name })
  }
  await db.collection('types_written').insertOne({
    _id: 1,
    zero: 0, minusZero: -0, int: 42, negative: -7, maxInt: 2147483647, overInt: 2147483648, minInt: -2147483648, underInt: -2147483649,
    safe: Number.MAX_SAFE_INTEGER, fraction: 0.1, bigint: 5n, hugeBigint: 9223372036854775807n,
    long: Long.fromString('9007199254740993'), longSmall: Long.fromNumber(7), int32: new Int32(7), double: new Double(7), string: 'ünï𝒞ode', empty: '',
    bool: true, nothing: null, missing: undefined, list: [1, undefined, null, [], {}].filter(v => !Array.isArray(v) || v.length), date: new Date('2024-02-29T12:00:00.123Z'), epoch: new Date(0), old: new Date(-1),
    oid: new ObjectId('65a0b0c0d0e0f00102030405'), binary: new Binary(Buffer.from('hello')), bytes: Buffer.from([1, 2, 255]), typed: new Uint8Array([9, 8]), uuid: new UUID('123e4567-e89b-42d3-a456-426614174000'),
    subtype: new Binary(Buffer.from('0123456789abcdef'), 5), timestamp: new Timestamp({ t: 5, i: 6 }), regex: /^a.*b$/i, regexFlags: /x/gim, bsonRegex: new BSONRegExp('^c', 'im'),
    nested: { a: { b: { c: [{ d: 1 }] } } }, map: new Map([['z', 1], ['a', 2]]), order: { z: 1, y: 2, 10: 'ten', 2: 'two' }, func: () => 1, sym: Symbol('s'),
    custom: { toBSON() { return { replaced: true } } }, class: new (class A { constructor() { this.x = 1 } get y() { return 2 } })(),
  })
}
