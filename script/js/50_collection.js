// Collection, with the methods of the Node driver's version 7.
(function (host, lib) {
  const { invalid, guard, options } = lib
  const self = Symbol('collection')
  const call = (c, op, o, a, b) => host.call(op, c[self].db.databaseName, c[self].name, o, a, b)

  const write = ['bypassDocumentValidation', 'let']
  const updates = [...write, 'upsert', 'arrayFilters', 'collation', 'hint']
  const modify = [...updates, 'sort', 'projection', 'returnDocument', 'includeResultMetadata']

  class Collection {
    constructor(db, name) {
      if (typeof name !== 'string') throw invalid('Collection name must be a String')
      if (name === '') throw invalid('Collection names cannot be empty')
      Object.defineProperty(this, self, { value: { db, name, hint: undefined } })
    }
    get collectionName() { return this[self].name }
    get dbName() { return this[self].db.databaseName }
    get namespace() { return `${this.dbName}.${this[self].name}` }
    get db() { return this[self].db }
    get hint() { return this[self].hint }
    set hint(v) { this[self].hint = v }

    async insertOne(doc, given) {
      const o = options('insertOne', given, write)
      const insertedId = lib.identify(doc)
      await call(this, 'insertOne', o, doc)
      return { acknowledged: true, insertedId }
    }
    async insertMany(docs, given) {
      if (!Array.isArray(docs)) throw invalid('Argument "docs" must be an array of documents')
      const r = await lib.bulk(this, docs.map(document => ({ insertOne: { document } })), options('insertMany', given, [...write, 'ordered']))
      return { acknowledged: true, insertedCount: r.insertedCount, insertedIds: r.insertedIds }
    }
    async bulkWrite(operations, given) {
      if (!Array.isArray(operations)) throw invalid('Argument "operations" must be an array of documents')
      return lib.bulk(this, operations, options('bulkWrite', given, [...write, 'ordered']))
    }
    async updateOne(filter, update, given) {
      lib.checkFilter(filter)
      lib.checkUpdate(update)
      return call(this, 'updateOne', options('updateOne', given, updates), filter, update)
    }
    async updateMany(filter, update, given) {
      lib.checkFilter(filter)
      lib.checkUpdate(update)
      return call(this, 'updateMany', options('updateMany', given, updates), filter, update)
    }
    async replaceOne(filter, replacement, given) {
      lib.checkFilter(filter)
      lib.checkReplacement(replacement)
      return call(this, 'replaceOne', options('replaceOne', given, updates), filter, replacement)
    }
    async deleteOne(filter = {}, given) {
      lib.checkFilter(filter)
      return call(this, 'deleteOne', options('deleteOne', given, updates), filter)
    }
    async deleteMany(filter = {}, given) {
      lib.checkFilter(filter)
      return call(this, 'deleteMany', options('deleteMany', given, updates), filter)
    }

    find(filter = {}, given) { return new lib.FindCursor(target(this), filter === null ? {} : filter, given) }
    async findOne(filter = {}, given) {
      const { batchSize, noCursorTimeout, ...rest } = given || {}
      // A negative limit is one batch: nothing stays open on the server.
      const found = await this.find(filter, typeof given === 'function' ? given : rest).limit(-1).toArray()
      return found.length ? found[0] : null
    }
    async findOneAndUpdate(filter, update, given) {
      lib.checkFilter(filter)
      lib.checkUpdate(update)
      return findOneAnd(this, 'findOneAndUpdate', filter, update, given)
    }
    async findOneAndReplace(filter, replacement, given) {
      lib.checkFilter(filter)
      lib.checkReplacement(replacement)
      return findOneAnd(this, 'findOneAndReplace', filter, replacement, given)
    }
    async findOneAndDelete(filter, given) {
      lib.checkFilter(filter)
      return findOneAnd(this, 'findOneAndDelete', filter, undefined, given)
    }
    aggregate(pipeline = [], given) { return new lib.AggregationCursor(target(this), pipeline, given) }
    async countDocuments(filter = {}, given) {
      lib.checkFilter(filter)
      return call(this, 'countDocuments', options('countDocuments', given, ['limit', 'skip', 'hint', 'collation']), filter)
    }
    async estimatedDocumentCount(given) { return call(this, 'estimatedDocumentCount', options('estimatedDocumentCount', given, [])) }
    async count(filter = {}, given) { return lib.count(target(this), filter, options('count', given, ['limit', 'skip', 'hint', 'collation'])) }
    async distinct(key, filter = {}, given) { return call(this, 'distinct', options('distinct', given, ['collation']), key, filter) }

    async createIndex(spec, given, more) {
      const names = await createIndexes(this, [lib.index(lib.indexKeys(spec), given)], { ...given, ...more })
      return names[0]
    }
    async createIndexes(specs, given) {
      if (!Array.isArray(specs)) throw invalid('createIndexes: expected an array of {key: {...}}')
      return createIndexes(this, specs.map(s => lib.index(lib.indexKeys(s.key), s)), given)
    }
    async dropIndex(name, given) {
      const index = typeof name === 'string' ? name : name && typeof name === 'object' ? name : undefined
      if (index === undefined) throw invalid('dropIndex: expected the name of an index')
      return command(this, 'dropIndex', { dropIndexes: this[self].name, index }, given)
    }
    async dropIndexes(given) {
      try {
        await command(this, 'dropIndexes', { dropIndexes: this[self].name, index: '*' }, given)
        return true
      } catch (e) {
        if (e instanceof lib.errors.MongoServerError) return false
        throw e
      }
    }
    listIndexes(given) { return new lib.ListIndexesCursor(target(this), given) }
    async indexes(given) {
      const list = await this.listIndexes(given).toArray()
      return !given || given.full === undefined || given.full ? list : Object.fromEntries(list.map(({ name, key }) => [name, Object.entries(key)]))
    }
    async indexInformation(given) { return this.indexes({ ...given, full: Boolean(given && given.full) }) }
    async indexExists(names, given) {
      const there = new Set((await this.listIndexes(given).toArray()).map(i => i.name))
      return (Array.isArray(names) ? names : [names]).every(n => there.has(n))
    }

    async rename(newName, given) {
      if (typeof newName !== 'string') throw invalid('Collection name must be a String')
      const o = options('rename', given, ['dropTarget'])
      const { dropTarget, ...rest } = o
      await host.call('command', 'admin', undefined, rest, { renameCollection: this.namespace, to: `${this.dbName}.${newName}`, dropTarget: dropTarget === true })
      return new Collection(this[self].db, newName)
    }
    async drop(given) {
      try {
        await command(this, 'drop', { drop: this[self].name }, given)
        return true
      } catch (e) {
        if (e instanceof lib.errors.MongoServerError && Number(e.code) === 26) return false
        throw e
      }
    }
    async options(given) {
      const [found] = await this[self].db.listCollections({ name: this[self].name }, { ...given, nameOnly: false }).toArray()
      if (!found || !found.options) throw new lib.errors.MongoAPIError(`collection ${this.namespace} not found`)
      return found.options
    }
    async isCapped(given) { return Boolean((await this.options(given)).capped) }
    async stats(given) { return command(this, 'stats', { collStats: this[self].name, ...(given && given.scale ? { scale: given.scale } : {}) }, given && { ...given, scale: undefined }) }

    initializeOrderedBulkOp(given) { return new lib.Bulk(this, options('initializeOrderedBulkOp', given, write), true) }
    initializeUnorderedBulkOp(given) { return new lib.Bulk(this, options('initializeUnorderedBulkOp', given, write), false) }
  }

  const target = c => ({ db: c.dbName, coll: c[self].name })
  const command = (c, method, cmd, given) => host.call('command', c.dbName, undefined, options(method, given, []), cmd)

  const createIndexes = async (c, indexes, given) => {
    const known = {}
    for (const k of ['session', 'comment', 'commitQuorum', 'maxTimeMS']) if (given && given[k] !== undefined) known[k] = given[k]
    const { commitQuorum, ...o } = options('createIndexes', known, ['commitQuorum'])
    const cmd = { createIndexes: c[self].name, indexes }
    if (commitQuorum !== undefined) cmd.commitQuorum = commitQuorum
    await host.call('command', c.dbName, undefined, o, cmd)
    return indexes.map(i => i.name)
  }

  const findOneAnd = async (c, op, filter, change, given) => {
    const o = options(op, given, modify)
    if (o.returnDocument !== undefined && o.returnDocument !== 'before' && o.returnDocument !== 'after') throw invalid(`${op}: returnDocument must be 'before' or 'after'`)
    if (!o.includeResultMetadata) return call(c, op, o, filter, change)
    const cmd = { findAndModify: c[self].name, query: filter }
    if (o.sort) cmd.sort = o.sort
    if (op === 'findOneAndDelete') cmd.remove = true
    else Object.assign(cmd, { update: change, new: o.returnDocument === 'after', upsert: o.upsert === true })
    if (o.projection) cmd.fields = o.projection
    for (const k of ['arrayFilters', 'bypassDocumentValidation', 'collation', 'hint', 'let', 'comment']) if (o[k] !== undefined) cmd[k] = o[k]
    return host.call('command', c.dbName, undefined, o, cmd)
  }

  lib.count = async ({ db, coll }, filter, o) => {
    const cmd = { count: coll, query: filter }
    for (const k of ['limit', 'skip', 'hint', 'collation']) if (o[k] !== undefined) cmd[k] = o[k]
    return (await host.call('command', db, undefined, o, cmd)).n
  }

  const instead = {
    insert: 'insertOne or insertMany', update: 'updateOne or updateMany', remove: 'deleteOne or deleteMany', save: 'replaceOne with upsert: true', ensureIndex: 'createIndex',
    findAndModify: 'findOneAndUpdate', findAndRemove: 'findOneAndDelete', findOneAndRemove: 'findOneAndDelete', removeOne: 'deleteOne', removeMany: 'deleteMany', mapReduce: 'aggregate', group: 'aggregate',
    dropAllIndexes: 'dropIndexes', reIndex: 'db.command({reIndex: ...})',
  }
  guard(Collection.prototype, 'collection', key => Object.hasOwn(instead, key) ? `the Node driver dropped it: use ${instead[key]}` : undefined)
  lib.Collection = Collection
})
