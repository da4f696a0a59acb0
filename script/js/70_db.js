// Db, Admin, MongoClient as far as a migration is handed one, and sessions.
(function (host, lib) {
  const { invalid, guard, options, errors } = lib
  const self = Symbol('db')

  // inherited refuses what the Node driver would hand on to every call.
  const inherited = (method, given) => {
    for (const k of Object.keys(options(method, given, []))) throw lib.unsupported(`${method}: option ${k}`, 'give it to the methods that are called')
  }

  class Db {
    constructor(client, name) { Object.defineProperty(this, self, { value: { client, name } }) }
    get databaseName() { return this[self].name }
    get namespace() { return this[self].name }
    get client() { return this[self].client }

    collection(name, given) {
      inherited('collection', given)
      return new lib.Collection(this, name)
    }
    async command(command, given) {
      if (command === null || typeof command !== 'object') throw invalid('db.command: expected a command, such as {ping: 1}')
      return host.call('command', this[self].name, undefined, options('command', given, []), command)
    }
    admin() { return new Admin(this) }
    aggregate(pipeline = [], given) { return new lib.AggregationCursor({ db: this[self].name }, pipeline, given) }
    async createCollection(name, given) {
      if (typeof name !== 'string') throw invalid('Collection name must be a String')
      const skip = ['session', 'writeConcern', 'readConcern', 'readPreference', 'w', 'j', 'wtimeout', 'wtimeoutMS', 'timeoutMS', 'maxTimeMS', 'strict', 'raw', 'pkFactory', 'autoIndexId']
      const o = {}
      const create = { create: name }
      for (const k of Object.keys(given || {})) {
        if (k === 'session' || k === 'maxTimeMS') o[k] = given[k]
        else if (k === 'encryptedFields') throw lib.unsupported('createCollection: option encryptedFields')
        else if (!skip.includes(k) && given[k] !== undefined && given[k] !== null) create[k] = given[k]
      }
      await host.call('command', this[self].name, undefined, options('createCollection', o, []), create)
      return new lib.Collection(this, name)
    }
    async dropCollection(name, given) { return this.collection(name).drop(given) }
    async renameCollection(from, to, given) { return this.collection(from).rename(to, given) }
    listCollections(filter = {}, given) { return new lib.ListCollectionsCursor({ db: this[self].name }, filter, given) }
    async collections(given) {
      const list = await this.listCollections({}, { ...given, nameOnly: true }).toArray()
      return list.filter(({ name }) => !name.includes('$')).map(({ name }) => new lib.Collection(this, name))
    }
    async createIndex(name, spec, given) { return this.collection(name).createIndex(spec, given) }
    async indexInformation(name, given) { return this.collection(name).indexInformation(given) }
    async stats(given) { return this.command({ dbStats: 1, ...(given && given.scale ? { scale: given.scale } : {}) }) }
    async dropDatabase(given) {
      if (this[self].name === this[self].client[self].name) throw lib.unsupported('dropDatabase of the migrated database', 'it holds the history of the migrations; drop its collections instead')
      await this.command({ dropDatabase: 1 }, given)
      return true
    }
  }
  guard(Db.prototype, 'db', key => `db.${key} is no method of the Node driver's Db that is there; a collection is db.collection('${key}')`)

  class Admin {
    constructor(db) { Object.defineProperty(this, self, { value: db }) }
    async command(command, given) { return host.call('command', 'admin', undefined, options('command', given, []), command) }
    async ping() { return this.command({ ping: 1 }) }
    async buildInfo() { return this.command({ buildInfo: 1 }) }
    async serverInfo() { return this.command({ buildInfo: 1 }) }
    async serverStatus() { return this.command({ serverStatus: 1 }) }
    async replSetGetStatus() { return this.command({ replSetGetStatus: 1 }) }
    async listDatabases(given) { return this.command({ listDatabases: 1, ...(given && given.filter ? { filter: given.filter } : {}), ...(given && given.nameOnly ? { nameOnly: true } : {}) }) }
    async validateCollection(name) { return host.call('command', this[self].databaseName, undefined, {}, { validate: name }) }
  }
  guard(Admin.prototype, 'admin()')

  class Client {
    constructor(name) { Object.defineProperty(this, self, { value: { name } }) }
    db(name, given) {
      inherited('db', given)
      return new Db(this, name === undefined || name === null ? this[self].name : name)
    }
    startSession(given) { return new ClientSession(this, given) }
    async withSession(given, f) {
      if (typeof given === 'function') [given, f] = [undefined, given]
      const session = this.startSession(given)
      try {
        return await f(session)
      } finally {
        await session.endSession()
      }
    }
    async connect() { return this }
    // The connection is schemagate's.
    async close() { host.log('warn', 'client.close() has no effect: the connection is not the script\'s to close') }
  }
  guard(Client.prototype, 'client')

  // withTransaction tries again for as long as the Node driver does.
  const retryFor = 120000

  class ClientSession {
    constructor(client, given) {
      const { defaultTransactionOptions, ...rest } = given || {}
      const o = options('startSession', rest, ['causalConsistency', 'snapshot'])
      Object.defineProperty(this, self, { value: { client, id: host.startSession(o), state: 'none', ended: false, defaults: defaultTransactionOptions || {} } })
    }
    get hasEnded() { return this[self].ended }
    get client() { return this[self].client }
    get id() { return { id: this[self].id } }
    get transaction() { return { isActive: this.inTransaction(), isCommitted: this[self].state === 'committed' } }
    inTransaction() { return this[self].state === 'started' }

    startTransaction(given) {
      const s = usable(this)
      if (s.state === 'started') throw new errors.MongoTransactionError('Transaction already in progress')
      host.startTransaction(s.id, { ...s.defaults, ...given })
      s.state = 'started'
    }
    async commitTransaction() {
      const s = usable(this)
      if (s.state === 'none') throw new errors.MongoTransactionError('No transaction started')
      if (s.state === 'aborted') throw new errors.MongoTransactionError('Cannot call commitTransaction after calling abortTransaction')
      s.state = 'committed'
      await host.call('commitTransaction', undefined, undefined, undefined, s.id)
    }
    async abortTransaction() {
      const s = usable(this)
      if (s.state === 'none') throw new errors.MongoTransactionError('No transaction started')
      if (s.state === 'aborted') throw new errors.MongoTransactionError('Cannot call abortTransaction twice')
      if (s.state === 'committed') throw new errors.MongoTransactionError('Cannot call abortTransaction after calling commitTransaction')
      s.state = 'aborted'
      try {
        await host.call('abortTransaction', undefined, undefined, undefined, s.id)
      } catch { /* as in Node: the server ends it by itself */ }
    }
    async endSession() {
      const s = this[self]
      if (s.ended) return
      if (s.state === 'started') await this.abortTransaction()
      s.ended = true
      await host.call('endSession', undefined, undefined, undefined, s.id)
    }
    async [Symbol.asyncDispose || Symbol.for('Symbol.asyncDispose')]() { await this.endSession() }

    async withTransaction(f, given) {
      const end = host.now() + retryFor
      const again = (e, label) => e instanceof errors.MongoError && e.hasErrorLabel(label) && host.now() < end
      for (;;) {
        this.startTransaction(given)
        let result
        try {
          const promise = f(this)
          if (!promise || typeof promise.then !== 'function') throw new TypeError('Function provided to `withTransaction` must return a Promise')
          result = await promise
        } catch (e) {
          if (this.inTransaction()) await this.abortTransaction()
          if (again(e, 'TransientTransactionError')) continue
          throw e
        }
        // The function may have ended the transaction itself.
        if (!this.inTransaction()) return result
        let restart = false
        while (!restart) {
          try {
            await this.commitTransaction()
            return result
          } catch (e) {
            if (again(e, 'UnknownTransactionCommitResult') && e.code !== 50) continue
            if (!again(e, 'TransientTransactionError')) throw e
            restart = true
          }
        }
      }
    }
  }
  guard(ClientSession.prototype, 'session')

  const usable = session => {
    if (session[self].ended) throw new errors.MongoExpiredSessionError('Cannot use a session that has ended')
    return session[self]
  }
  lib.useSession = (session, out) => {
    if (!(session instanceof ClientSession)) throw invalid('the option session must be what client.startSession() returned')
    const s = usable(session)
    out.sessionId = s.id
    out.inTransaction = s.state === 'started'
    // A session whose last transaction has ended is out of it with its next call.
    if (s.state === 'committed' || s.state === 'aborted') s.state = 'none'
  }
  lib.withSession = (options, out) => Object.assign(out, { sessionId: options.sessionId, inTransaction: options.inTransaction })

  lib.connect = name => {
    const client = new Client(name)
    return { db: client.db(name), client }
  }
  // A script that opens a connection of its own would be out of the lease's reach.
  lib.MongoClient = class MongoClient {
    constructor() { throw refuse() }
    static async connect() { throw refuse() }
  }
  const refuse = () => lib.unsupported('MongoClient', 'use the db and client that up(db, client) is called with')
  Object.assign(lib, { Db, Admin, ClientSession })
})
