// The Node driver's errors, as far as scripts meet them.
(function (host, lib) {
  const labels = Symbol('labels')

  class MongoError extends Error {
    constructor(message, options) {
      super(message, options)
      Object.defineProperty(this, labels, { value: new Set() })
    }
    get name() { return 'MongoError' }
    get errmsg() { return this.message }
    get errorLabels() { return Array.from(this[labels]) }
    hasErrorLabel(label) { return this[labels].has(label) }
    addErrorLabel(label) { this[labels].add(label) }
  }
  const classes = { MongoError }
  const derive = (name, Base) => {
    const C = { [name]: class extends Base { get name() { return name } } }[name]
    classes[name] = C
    return C
  }
  const MongoServerError = derive('MongoServerError', MongoError)
  derive('MongoWriteConcernError', MongoServerError)
  const MongoDriverError = derive('MongoDriverError', MongoError)
  const MongoAPIError = derive('MongoAPIError', MongoDriverError)
  derive('MongoRuntimeError', MongoDriverError)
  derive('MongoInvalidArgumentError', MongoAPIError)
  derive('MongoCursorInUseError', MongoAPIError)
  derive('MongoCursorExhaustedError', MongoAPIError)
  derive('MongoTransactionError', MongoAPIError)
  derive('MongoExpiredSessionError', MongoAPIError)
  const MongoNetworkError = derive('MongoNetworkError', MongoError)
  derive('MongoNetworkTimeoutError', MongoNetworkError)
  derive('MongoServerSelectionError', MongoError)
  derive('MongoOperationTimeoutError', MongoDriverError)

  class BulkWriteResult {
    constructor(counts, insertedIds) {
      const ids = insertedIds || {}
      Object.assign(this, { insertedCount: 0, matchedCount: 0, modifiedCount: 0, deletedCount: 0, upsertedCount: 0, upsertedIds: {} }, counts, { insertedIds: ids })
      Object.defineProperty(this, 'writeErrors', { value: [], writable: true })
    }
    get ok() { return 1 }
    isOk() { return true }
    get nInserted() { return this.insertedCount }
    get nUpserted() { return this.upsertedCount }
    get nMatched() { return this.matchedCount }
    get nModified() { return this.modifiedCount }
    get nRemoved() { return this.deletedCount }
    getUpsertedIds() { return Object.entries(this.upsertedIds).map(([index, _id]) => ({ index: Number(index), _id })) }
    getUpsertedIdAt(index) { return this.upsertedIds[index] }
    getInsertedIds() { return Object.entries(this.insertedIds).map(([index, _id]) => ({ index: Number(index), _id })) }
    hasWriteErrors() { return this.writeErrors.length > 0 }
    getWriteErrorCount() { return this.writeErrors.length }
    getWriteErrors() { return this.writeErrors }
    getWriteErrorAt(i) { return this.writeErrors[i] }
    getWriteConcernError() {}
  }
  lib.BulkWriteResult = BulkWriteResult

  class MongoBulkWriteError extends MongoServerError {
    get name() { return 'MongoBulkWriteError' }
    get insertedCount() { return this.result.insertedCount }
    get matchedCount() { return this.result.matchedCount }
    get modifiedCount() { return this.result.modifiedCount }
    get deletedCount() { return this.result.deletedCount }
    get upsertedCount() { return this.result.upsertedCount }
    get upsertedIds() { return this.result.upsertedIds }
    get insertedIds() { return this.result.insertedIds }
  }
  classes.MongoBulkWriteError = MongoBulkWriteError
  lib.errors = classes

  const codeNames = { 11000: 'DuplicateKey', 11001: 'DuplicateKey', 121: 'DocumentValidationFailure', 50: 'MaxTimeMSExpired', 112: 'WriteConflict' }

  // driverError makes an error of what the host got from the driver.
  lib.driverError = (name, message, response, errorLabels, writeErrors, result) => {
    const e = new (classes[name] || (name === 'BSONError' ? lib.BSONError : MongoDriverError))(message)
    if (name === 'BSONError') return e
    if (response) {
      e.errorResponse = response
      for (const key of Object.keys(response)) {
        if (!['errorLabels', 'errmsg', 'message', 'errorResponse', 'stack', 'name'].includes(key)) e[key] = response[key]
      }
      // The server names the code of a write error nowhere.
      if (e.code !== undefined && e.codeName === undefined && codeNames[e.code]) e.codeName = codeNames[e.code]
    }
    for (const label of errorLabels || []) e.addErrorLabel(label)
    if (name === 'MongoBulkWriteError') {
      e.result = new BulkWriteResult(result)
      e.writeErrors = e.result.writeErrors = writeErrors.map(w => ({ index: w.index, code: w.code, errmsg: w.errmsg, errInfo: w.errInfo, err: w }))
    }
    return e
  }

  lib.invalid = message => new classes.MongoInvalidArgumentError(message)
})
