// How options, sorts, hints and index keys are read: the Node driver's many spellings become one for the host.
(function (host, lib) {
  const { invalid, unsupported, advice } = lib

  // Taken and without effect: the concerns are the client's own, which schemagate sets to majority; the rest has no meaning here.
  const ignored = new Set(['session', 'writeConcern', 'w', 'wtimeout', 'wtimeoutMS', 'j', 'journal', 'fsync', 'readConcern', 'readPreference', 'checkKeys', 'multi', 'retryWrites',
    'enableUtf8Validation', 'serializeFunctions', 'forceServerObjectId', 'strict', 'new', 'returnOriginal', 'timeoutMode', 'omitReadPreference', 'maxAwaitTimeMS', 'noResponse',
    'dbName', 'authdb', 'useNewUrlParser', 'useUnifiedTopology', 'full', 'rawData'])
  // Known to the Node driver and of consequence, so not to be passed over.
  const refused = { raw: '', fieldsAsRaw: '', explain: '', tailable: '', awaitData: '', oplogReplay: '', partial: '', encryptedFields: '', autoEncryption: '', pkFactory: '',
    ignoreUndefined: 'leave the undefined fields out of the documents' }
  const common = ['comment', 'maxTimeMS', 'timeoutMS', 'promoteLongs', 'promoteValues', 'promoteBuffers', 'useBigInt64', 'bsonRegExp']

  const warned = new Set()

  // options checks and copies what a method was given.
  lib.options = (method, given, allowed) => {
    const out = {}
    if (given === undefined || given === null) return out
    if (typeof given === 'function') throw unsupported(`a callback of ${method}`, 'the Node driver dropped them in version 5: await the promise')
    if (typeof given !== 'object') throw invalid(`${method}: options must be an object, not ${typeof given}`)
    for (const key of Object.keys(given)) {
      const v = given[key]
      if (v === undefined) continue
      if (allowed.includes(key) || common.includes(key)) out[key] = v
      else if (Object.hasOwn(refused, key) && v !== false && v !== null) throw unsupported(`${method}: option ${key}`, refused[key] || advice)
      else if (!ignored.has(key) && !Object.hasOwn(refused, key) && !warned.has(method + key)) {
        warned.add(method + key)
        host.log('warn', `${method}: the option ${key} is not known and has no effect`)
      }
    }
    if ('returnOriginal' in given && !('returnDocument' in given) && allowed.includes('returnDocument')) {
      throw unsupported(`${method}: option returnOriginal`, "the Node driver dropped it in version 5: use returnDocument: 'before' or 'after'")
    }
    if (given.session !== undefined && given.session !== null) lib.useSession(given.session, out)
    if (out.sort !== undefined) out.sort = lib.sort(out.sort)
    if (out.hint !== undefined) out.hint = lib.hint(out.hint)
    for (const key of ['limit', 'skip', 'batchSize', 'maxTimeMS']) {
      if (out[key] === null) delete out[key]
      else if (out[key] !== undefined && !Number.isInteger(Number(out[key]))) throw invalid(`${method}: ${key} must be a whole number`)
      else if (out[key] !== undefined) out[key] = Number(out[key])
    }
    return out
  }

  const direction = d => {
    if (d !== null && typeof d === 'object' && typeof d.$meta === 'string') return d
    switch (String(d === undefined ? 1 : d).toLowerCase()) {
      case 'ascending': case 'asc': case '1': return 1
      case 'descending': case 'desc': case '-1': return -1
      default: throw invalid(`Invalid sort direction: ${JSON.stringify(d)}`)
    }
  }
  const isDirection = d => {
    try { direction(d); return d !== undefined } catch { return false }
  }

  // sort takes 'a', ['a', 'b'], ['a', -1], [['a', 1], ['b', -1]], {a: 1} or a Map, and returns a Map or undefined.
  lib.sort = (sort, d) => {
    if (sort === null || sort === undefined) return undefined
    if (typeof sort === 'string') return new Map([[sort, direction(d)]])
    if (typeof sort !== 'object') throw invalid(`Invalid sort format: ${JSON.stringify(sort)} Sort must be a valid object`)
    if (sort instanceof Map) return new Map([...sort].map(([k, v]) => [k, direction(v)]))
    if (!Array.isArray(sort)) {
      const keys = Object.keys(sort)
      return keys.length ? new Map(keys.map(k => [k, direction(sort[k])])) : undefined
    }
    if (!sort.length) return undefined
    if (Array.isArray(sort[0])) return new Map(sort.map(([k, v]) => [String(k), direction(v)]))
    if (sort.length === 2 && typeof sort[0] === 'string' && isDirection(sort[1])) return new Map([[sort[0], direction(sort[1])]])
    return new Map(sort.map(k => [String(k), 1]))
  }

  lib.hint = hint => {
    if (hint === null || typeof hint === 'string') return hint
    if (Array.isArray(hint)) return new Map(hint.map(k => [k, 1]))
    return hint
  }

  // indexKeys takes the same spellings as createIndex of the Node driver.
  lib.indexKeys = spec => {
    const isTuple = Array.isArray(spec) && spec.length === 2 && (typeof spec[1] === 'number' || ['2d', '2dsphere', 'text', 'geoHaystack'].includes(spec[1]))
    const keys = new Map()
    for (const part of Array.isArray(spec) && !isTuple ? spec : [spec]) {
      if (typeof part === 'string') keys.set(part, 1)
      else if (Array.isArray(part)) keys.set(part[0], part[1] === undefined ? 1 : part[1])
      else if (part instanceof Map) for (const [k, v] of part) keys.set(k, v)
      else if (part !== null && typeof part === 'object') for (const k of Object.keys(part)) keys.set(k, part[k])
    }
    if (!keys.size) throw invalid('an index needs at least one key')
    return keys
  }

  const indexOptions = new Set(['background', 'unique', 'name', 'partialFilterExpression', 'sparse', 'hidden', 'expireAfterSeconds', 'storageEngine', 'collation', 'version', 'weights',
    'default_language', 'language_override', 'textIndexVersion', '2dsphereIndexVersion', 'bits', 'min', 'max', 'bucketSize', 'wildcardProjection'])
  const renamed = { version: 'v' }

  lib.index = (keys, options) => {
    const out = {}
    for (const k of Object.keys(options || {})) if (indexOptions.has(k) && options[k] !== undefined) out[renamed[k] || k] = options[k]
    if (out.name === undefined || out.name === null) out.name = Array.from(keys).flat().join('_')
    out.key = keys
    return out
  }

  lib.hasOperators = doc => {
    const keys = Array.isArray(doc) ? [] : doc instanceof Map ? [...doc.keys()] : Object.keys(doc)
    return keys.length > 0 && keys[0][0] === '$'
  }
  lib.checkUpdate = update => {
    if (update === null || typeof update !== 'object') throw invalid('Argument "update" must be an object')
    if (!Array.isArray(update) && !lib.hasOperators(update)) throw invalid('Update document requires atomic operators')
  }
  lib.checkReplacement = doc => {
    if (doc === null || typeof doc !== 'object') throw invalid('Argument "replacement" must be an object')
    if (lib.hasOperators(doc)) throw invalid('Replacement document must not contain atomic operators')
  }
  lib.checkFilter = filter => {
    if (filter === null || typeof filter !== 'object') throw invalid(`Argument "filter" must be an object, not ${filter === null ? 'null' : typeof filter}`)
  }

  // identify gives a document its _id, in place, as the Node driver does.
  lib.identify = doc => {
    if (doc === null || typeof doc !== 'object') throw invalid('a document to insert must be an object')
    if (doc instanceof Map) {
      if (doc.get('_id') === undefined || doc.get('_id') === null) doc.set('_id', new lib.ObjectId())
      return doc.get('_id')
    }
    if (doc._id === undefined || doc._id === null) doc._id = new lib.ObjectId()
    return doc._id
  }
})
