// bulkWrite and the older bulk operations that are built up step by step.
(function (host, lib) {
  const { invalid, guard } = lib
  const state = Symbol('bulk')
  const kinds = ['insertOne', 'updateOne', 'updateMany', 'replaceOne', 'deleteOne', 'deleteMany']

  // normal turns one operation into what the host takes.
  const normal = operation => {
    if (operation === null || typeof operation !== 'object') throw invalid('Operation must be an object with an operation key')
    const op = kinds.find(k => k in operation)
    if (!op) throw invalid(`bulkWrite only supports ${kinds.join(', ')}`)
    const o = operation[op]
    if (o === null || typeof o !== 'object') throw invalid('Operation must be an object with an operation key')
    if (op === 'insertOne') {
      const document = o.document === undefined ? o : o.document
      lib.identify(document)
      return { op, document }
    }
    lib.checkFilter(o.filter)
    const out = { op, filter: o.filter }
    if (op === 'replaceOne') {
      lib.checkReplacement(o.replacement)
      out.replacement = o.replacement
    } else if (op.startsWith('update')) {
      lib.checkUpdate(o.update)
      out.update = o.update
    }
    for (const k of ['upsert', 'arrayFilters', 'collation']) if (o[k] !== undefined) out[k] = o[k]
    if (o.hint !== undefined) out.hint = lib.hint(o.hint)
    if (o.sort !== undefined) throw lib.unsupported('bulkWrite: option sort')
    return out
  }

  // send resolves to a BulkWriteResult; a failure knows what was done before it.
  const send = async (collection, operations, o) => {
    if (!operations.length) throw invalid('Invalid BulkOperation, Batch cannot be empty')
    const inserted = {}
    operations.forEach((x, i) => { if (x.op === 'insertOne') inserted[i] = lib.identify(x.document) })
    try {
      return new lib.BulkWriteResult(await host.call('bulkWrite', collection.dbName, collection.collectionName, o, operations), inserted)
    } catch (e) {
      if (e instanceof lib.errors.MongoBulkWriteError) {
        const failed = new Set(e.writeErrors.map(w => w.index))
        const first = Math.min(...failed)
        for (const i of Object.keys(inserted)) {
          if (failed.has(Number(i)) || (o.ordered !== false && Number(i) > first)) delete inserted[i]
        }
        e.result.insertedIds = inserted
      }
      throw e
    }
  }
  lib.bulk = async (collection, operations, o) => send(collection, operations.map(normal), o)

  class Bulk {
    constructor(collection, options, ordered) {
      Object.defineProperty(this, state, { value: { collection, options: { ...options, ordered }, operations: [], executed: false } })
    }
    get length() { return this[state].operations.length }
    insert(document) { return this.raw({ insertOne: { document } }) }
    raw(operation) {
      this[state].operations.push(normal(operation))
      return this
    }
    find(filter) {
      if (!filter) throw invalid('Bulk find operation must specify a selector')
      return new Found(this, filter)
    }
    async execute() {
      const s = this[state]
      if (s.executed) throw new lib.errors.MongoAPIError('Batch cannot be re-executed')
      s.executed = true
      return send(s.collection, s.operations, s.options)
    }
  }

  class Found {
    constructor(bulk, filter) { Object.defineProperty(this, state, { value: { bulk, filter, options: {} } }) }
    upsert() { return this.with('upsert', true) }
    collation(v) { return this.with('collation', v) }
    arrayFilters(v) { return this.with('arrayFilters', v) }
    hint(v) { return this.with('hint', v) }
    with(name, v) {
      this[state].options[name] = v
      return this
    }
    update(update) { return add(this, 'updateMany', { update }) }
    updateOne(update) { return add(this, 'updateOne', { update }) }
    replaceOne(replacement) { return add(this, 'replaceOne', { replacement }) }
    delete() { return add(this, 'deleteMany', {}) }
    deleteOne() { return add(this, 'deleteOne', {}) }
  }
  const add = (found, op, fields) => {
    const { bulk, filter, options } = found[state]
    return bulk.raw({ [op]: { filter, ...options, ...fields } })
  }

  guard(Bulk.prototype, 'bulk')
  guard(Found.prototype, 'bulk.find()')
  lib.Bulk = Bulk
})
