// Cursors: nothing is sent before the first document is asked for.
(function (host, lib) {
  const { invalid, guard, errors } = lib
  const state = Symbol('cursor')

  class AbstractCursor {
    constructor(target, options) {
      // target is {db, coll}; id is the host's, once the query was sent.
      Object.defineProperty(this, state, { value: { target, options, id: undefined, started: false, buffer: [], position: 0, done: false, closed: false, killed: false, map: null } })
    }

    get closed() { return this[state].closed && this.bufferedCount() === 0 }
    get killed() { return this[state].killed }
    get id() { return this[state].id }
    get namespace() { return `${this[state].target.db}.${this[state].target.coll || ''}` }
    bufferedCount() { return this[state].buffer.length - this[state].position }
    readBufferedDocuments(n) {
      const s = this[state]
      const out = s.buffer.slice(s.position, n === undefined ? undefined : s.position + n)
      s.position += out.length
      return out.map(d => transform(s, d))
    }

    async next() {
      const s = this[state]
      if (s.killed) throw new errors.MongoCursorExhaustedError('Cursor is exhausted')
      if (await fill(this)) return transform(s, s.buffer[s.position++])
      return null
    }
    tryNext() { return this.next() }
    async hasNext() { return !this[state].killed && fill(this) }

    async toArray() {
      const s = this[state]
      if (s.killed) return []
      const out = s.buffer.slice(s.position)
      s.position = s.buffer.length
      if (!s.done) {
        if (!s.started) await start(this)
        // One call: what fails in a later batch still fails at the line that asked.
        for (const d of await host.call('fetchAll', s.target.db, s.target.coll, undefined, s.id)) out.push(d)
        s.done = s.closed = true
      }
      return out.map(d => transform(s, d))
    }

    // forEach does not wait for what f returns, as in Node; false ends it.
    async forEach(f) {
      if (typeof f !== 'function') throw invalid('Argument "iterator" must be a function')
      const s = this[state]
      while (await fill(this)) {
        if (f(transform(s, s.buffer[s.position++])) === false) break
      }
      await this.close()
    }

    async close() {
      const s = this[state]
      s.closed = true
      s.killed = s.killed || (s.started && !s.done)
      if (s.started && !s.done) await host.call('closeCursor', s.target.db, s.target.coll, undefined, s.id)
      s.done = true
    }

    rewind() {
      const s = this[state]
      if (s.started && !s.done) host.call('closeCursor', s.target.db, s.target.coll, undefined, s.id)
      Object.assign(s, { id: undefined, started: false, buffer: [], position: 0, done: false, closed: false, killed: false })
    }

    map(f) {
      unstarted(this)
      const before = this[state].map
      this[state].map = before ? d => f(before(d)) : f
      return this
    }

    [Symbol.asyncIterator]() {
      return {
        next: async () => {
          const s = this[state]
          if (await fill(this)) return { value: transform(s, s.buffer[s.position++]), done: false }
          return { value: undefined, done: true }
        },
        return: async value => {
          await this.close()
          return { value, done: true }
        },
      }
    }
    async [Symbol.asyncDispose || Symbol.for('Symbol.asyncDispose')]() { await this.close() }

    addCursorFlag(flag, value) {
      if (flag === 'noCursorTimeout') return set(this, flag, value)
      throw lib.unsupported(`cursor flag ${flag}`)
    }
    batchSize(n) { return set(this, 'batchSize', whole('batchSize', n)) }
    maxTimeMS(n) { return set(this, 'maxTimeMS', whole('maxTimeMS', n)) }
    // The concerns are the client's own.
    withReadPreference() { return this }
    withReadConcern() { return this }
  }

  const transform = (s, d) => {
    if (!s.map) return d
    const out = s.map(d)
    if (out === null) throw invalid('Cursor returned a `null` document, but the cursor is not exhausted. Mapping documents to `null` is not supported in the cursor transform.')
    return out
  }
  const unstarted = cursor => {
    if (cursor[state].started) throw new errors.MongoCursorInUseError('Cursor is already initialized')
  }
  const set = (cursor, name, v) => {
    unstarted(cursor)
    cursor[state].options[name] = v
    return cursor
  }
  const whole = (name, n) => {
    if (!Number.isInteger(n)) throw invalid(`Operation "${name}" requires an integer`)
    return n
  }
  const start = async cursor => {
    const s = cursor[state]
    s.started = true
    s.id = await cursor.open()
  }
  // fill makes sure that a document is at hand; false is the end.
  const fill = async cursor => {
    const s = cursor[state]
    if (s.position < s.buffer.length) return true
    if (s.done || s.closed) return false
    if (!s.started) await start(cursor)
    s.buffer = await host.call('fetch', s.target.db, s.target.coll, undefined, s.id)
    s.position = 0
    if (s.buffer.length) return true
    s.done = s.closed = true
    return false
  }

  const findOptions = ['sort', 'limit', 'skip', 'batchSize', 'projection', 'hint', 'collation', 'allowDiskUse', 'noCursorTimeout', 'min', 'max', 'returnKey', 'showRecordId', 'let',
    'singleBatch', 'allowPartialResults']

  class FindCursor extends AbstractCursor {
    constructor(target, filter, options) {
      super(target, lib.options('find', options, findOptions))
      lib.checkFilter(filter)
      this[state].filter = filter
    }
    open() {
      const s = this[state]
      return host.call('find', s.target.db, s.target.coll, s.options, s.filter)
    }
    clone() { return copy(new FindCursor(this[state].target, this[state].filter), this) }
    async count() {
      const s = this[state]
      const { limit, skip, hint, maxTimeMS, collation } = s.options
      return lib.count(s.target, s.filter, lib.withSession(s.options, { limit, skip, hint, maxTimeMS, collation }))
    }
    filter(filter) {
      unstarted(this)
      lib.checkFilter(filter)
      this[state].filter = filter
      return this
    }
    sort(sort, direction) { return set(this, 'sort', lib.sort(sort, direction)) }
    limit(n) { return set(this, 'limit', whole('limit', n)) }
    skip(n) { return set(this, 'skip', whole('skip', n)) }
    project(p) { return set(this, 'projection', p) }
    hint(h) { return set(this, 'hint', lib.hint(h)) }
    min(v) { return set(this, 'min', v) }
    max(v) { return set(this, 'max', v) }
    collation(v) { return set(this, 'collation', v) }
    comment(v) { return set(this, 'comment', v) }
    returnKey(v) { return set(this, 'returnKey', v) }
    showRecordId(v) { return set(this, 'showRecordId', v) }
    allowDiskUse(v) { return set(this, 'allowDiskUse', v === undefined ? true : v) }
  }

  class AggregationCursor extends AbstractCursor {
    constructor(target, pipeline, options) {
      super(target, lib.options('aggregate', options, ['batchSize', 'allowDiskUse', 'bypassDocumentValidation', 'collation', 'hint', 'let', 'cursor']))
      if (!Array.isArray(pipeline)) throw invalid('Argument "pipeline" must be an array of aggregation stages')
      this[state].pipeline = pipeline
      const { cursor } = this[state].options
      if (cursor && cursor.batchSize !== undefined) this[state].options.batchSize = cursor.batchSize
    }
    get pipeline() { return this[state].pipeline }
    open() {
      const s = this[state]
      return host.call('aggregate', s.target.db, s.target.coll, s.options, s.pipeline)
    }
    clone() { return copy(new AggregationCursor(this[state].target, this[state].pipeline), this) }
    addStage(stage) {
      unstarted(this)
      this[state].pipeline.push(stage)
      return this
    }
  }
  for (const stage of ['group', 'limit', 'match', 'out', 'project', 'lookup', 'redact', 'skip', 'sort', 'unwind', 'geoNear']) {
    AggregationCursor.prototype[stage] = function (v) { return this.addStage({ ['$' + stage]: stage === 'sort' ? lib.sort(v) : v }) }
  }

  class ListCollectionsCursor extends AbstractCursor {
    constructor(target, filter, options) {
      super(target, lib.options('listCollections', options, ['nameOnly', 'authorizedCollections', 'batchSize']))
      this[state].filter = filter
    }
    open() { return host.call('listCollections', this[state].target.db, undefined, this[state].options, this[state].filter) }
  }
  class ListIndexesCursor extends AbstractCursor {
    constructor(target, options) { super(target, lib.options('listIndexes', options, ['batchSize'])) }
    open() { return host.call('listIndexes', this[state].target.db, this[state].target.coll, this[state].options) }
  }

  const copy = (to, cursor) => {
    Object.assign(to[state].options, cursor[state].options)
    to[state].map = cursor[state].map
    return to
  }

  guard(AbstractCursor.prototype, 'cursor')
  Object.assign(lib, { FindCursor, AggregationCursor, ListCollectionsCursor, ListIndexesCursor })
})
