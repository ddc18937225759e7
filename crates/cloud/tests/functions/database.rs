//! `cloud.database()` as functions use it.

use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_written_found_and_changed() {
    let server = Server::start().await;
    let got = server
        .body(
            "const one = { a: 1 } as any;
            const inserted = await c.insertOne(one);
            const many = await c.insertMany([{ a: 2 }, { a: 3, tags: ['x'] }]);
            const updated = await c.updateMany({ a: { $gte: 2 } }, { $inc: { a: 10 } });
            const upserted = await c.updateOne({ a: 99 }, { $set: { b: 1 } }, { upsert: true });
            const replaced = await c.replaceOne({ a: 99 }, { a: 100 });
            const deleted = await c.deleteMany({ a: { $gt: 50 } });
            const found = await c.find({}, { projection: { _id: 0 } }).sort({ a: -1 }).toArray();
            return {
              same: one._id.equals(inserted.insertedId) && inserted.insertedId instanceof cloud.ObjectId,
              ack: inserted.acknowledged, count: many.insertedCount, ids: Object.keys(many.insertedIds),
              updated, upsert: [upserted.upsertedCount, upserted.upsertedId instanceof db.ObjectId, upserted.matchedCount],
              replaced, deleted, found,
            }",
        )
        .await;
    let expected = r#"{"same":true,"ack":true,"count":2,"ids":["0","1"],"updated":{"acknowledged":true,"matchedCount":2,"modifiedCount":2,"upsertedCount":0,"upsertedId":null},"upsert":[1,true,0],"replaced":{"acknowledged":true,"matchedCount":1,"modifiedCount":1,"upsertedCount":0,"upsertedId":null},"deleted":{"acknowledged":true,"deletedCount":1},"found":[{"a":13,"tags":["x"]},{"a":12},{"a":1}]}"#;
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_were() {
    let server = Server::start().await;
    let got = server
        .body(
            "const { ObjectId, Long, Decimal128, Double, Binary, Timestamp, MinKey, MaxKey, Code } = cloud;
            const proto = JSON.parse('{\"__proto__\": {\"x\": 1}}');
            await c.insertOne({ _id: 1, date: new Date(1.5e12), bytes: new Uint8Array([0, 255]), re: /a\\/b/im, long: 2n ** 60n, small: 5n,
              dec: new Decimal128('1.10'), double: new Double(5), nan: NaN, zero: -0, inf: -Infinity, undef: undefined,
              uuid: new Binary(new Uint8Array(16), 4), ts: new Timestamp({ t: 7, i: 8 }), min: new MinKey(), max: new MaxKey(),
              code: new Code('x', { a: 1 }), map: new Map([['2', 1], ['1', 2]]), lone: '\\ud800', id: new ObjectId('0123456789abcdef01234567'),
              nested: [{ d: new Date(0) }], proto } as any);
            const d: any = await c.findOne({ _id: 1 });
            return [d.date instanceof Date && +d.date, d.bytes instanceof Uint8Array && [...d.bytes], String(d.re), d.long instanceof Long && String(d.long), d.small,
              String(d.dec), d.double, Number.isNaN(d.nan), Object.is(d.zero, -0), d.inf === -Infinity, d.undef,
              d.uuid.sub_type, [d.ts.t, d.ts.i], d.min instanceof MinKey, d.max instanceof MaxKey, [d.code.code, d.code.scope],
              Object.keys(d.map), d.lone === '\\ufffd', d.id.toString(), d.nested[0].d instanceof Date,
              Object.hasOwn(d.proto, '__proto__'), Object.getPrototypeOf(d.proto) === Object.prototype, ({} as any).x === undefined]",
        )
        .await;
    let expected = r#"[1500000000000,[0,255],"/a\\/b/im","1152921504606846976",5,"1.10",5,true,true,true,null,4,[7,8],true,true,["x",{"a":1}],["1","2"],true,"0123456789abcdef01234567",true,true,true,true]"#;
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_give_every_document_in_batches() {
    let server = Server::start().await;
    let got = server
        .body(
            "await c.insertMany(Array.from({ length: 2500 }, (_, n) => ({ _id: n, text: 'x'.repeat(100) })));
            const all = await c.find().sort('_id', 1).toArray();
            let sum = 0; for await (const d of c.find({ _id: { $lt: 1500 } })) sum += d._id;
            const cursor = c.find().sort({ _id: -1 }).skip(2).limit(3).map((d: any) => d._id);
            const read = [await cursor.hasNext(), await cursor.next(), await cursor.next(), await cursor.next(), await cursor.next(), cursor.closed];
            let seen = 0; await c.find().forEach(() => ++seen < 150);
            const together = c.find().sort({ _id: 1 });
            const four = await Promise.all([together.next(), together.next(), together.next(), together.next()]);
            const late = await fails(() => together.limit(1));
            await together.close();
            const piped = await c.aggregate([{ $match: { _id: { $lt: 4 } } }, { $group: { _id: null, n: { $sum: '$_id' } } }]).toArray();
            return [all.length, all[2499]._id, sum, read, seen, four.map((d: any) => d._id), late[0], await together.next(), piped,
              await c.find({ _id: { $lt: 10 } }).count(), await c.countDocuments({ _id: { $gte: 2400 } }), await c.estimatedDocumentCount(), (await c.find({ _id: 3 }).explain()).backend]",
        )
        .await;
    let expected = r#"[2500,2499,1124250,[true,2497,2496,2495,null,true],150,[0,1,2,3],"Error",null,[{"_id":null,"n":6}],10,100,2500,"sqlite"]"#;
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_open_cursors_are_refused() {
    let server = Server::start().await;
    let got = server
        .body(
            "await c.insertMany([{}, {}, {}]);
            const open = async () => { const cursor = c.find().batchSize(1); await cursor.next(); return cursor };
            const cursors = []; for (let n = 0; n < 256; n++) cursors.push(await open());
            const refused = await fails(open);
            await cursors[0].close();
            await open();
            return refused",
        )
        .await;
    assert_eq!(
        got,
        r#"["Error","INVALID_ARGUMENT","More than 256 cursors are open: close those that are not read to the end"]"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_document_is_found_and_changed_at_once() {
    let server = Server::start().await;
    let got = server
        .body(
            "await c.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }]);
            return [
              await c.findOneAndUpdate({}, { $inc: { n: 1 } }, { sort: { _id: -1 } }),
              await c.findOneAndUpdate({ _id: 2 }, { $inc: { n: 1 } }, { returnDocument: 'after', projection: { _id: 0 } }),
              await c.findOneAndReplace({ _id: 9 }, { n: 9 }, { upsert: true, returnDocument: 'after' }),
              await c.findOneAndDelete({ _id: 1 }, { includeResultMetadata: true }),
              await c.findOneAndDelete({ _id: 1 }),
              await c.distinct('n'),
            ]",
        )
        .await;
    let expected = r#"[{"_id":2,"n":2},{"n":4},{"_id":9,"n":9},{"value":{"_id":1,"n":1},"lastErrorObject":{"n":1,"updatedExisting":true},"ok":1},null,[4,9]]"#;
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_batches_tell_what_was_written() {
    let server = Server::start().await;
    let got = server
        .body(
            "const single = await (async () => { await c.insertOne({ _id: 1 } as any); try { await c.insertOne({ _id: 1 } as any) } catch (e: any) { return [e.name, e.code, e instanceof cloud.MongoServerError, /E11000/.test(e.message)] } })();
            const run = async (f: any) => { try { return await f() } catch (e: any) { return [e.name, e.code, e.writeErrors.map((w: any) => [w.index, w.code]), e.insertedCount, e.result.insertedCount] } };
            const ordered = await run(() => c.insertMany([{ _id: 2 }, { _id: 1 }, { _id: 3 }] as any));
            const unordered = await run(() => c.insertMany([{ _id: 2 }, { _id: 4 }, { _id: 1 }, { _id: 5 }] as any, { ordered: false }));
            const bulk = await c.bulkWrite([
              { insertOne: { document: { _id: 6 } } }, { updateOne: { filter: { _id: 6 }, update: { $set: { a: 1 } } } },
              { updateOne: { filter: { _id: 'new' }, update: { $set: { a: 1 } }, upsert: true } }, { deleteOne: { filter: { _id: 1 } } },
            ] as any);
            const failed = await run(() => c.bulkWrite([{ insertOne: { document: { _id: 6 } } }, { deleteMany: { filter: {} } }] as any));
            return { single, ordered, unordered, bulk, failed, left: await c.countDocuments() }",
        )
        .await;
    let expected = r#"{"single":["MongoServerError",11000,true,true],"ordered":["MongoBulkWriteError",11000,[[1,11000]],1,1],"unordered":["MongoBulkWriteError",11000,[[0,11000],[2,11000]],2,2],"bulk":{"acknowledged":true,"insertedCount":1,"matchedCount":1,"modifiedCount":1,"deletedCount":1,"upsertedCount":1,"insertedIds":{"0":6},"upsertedIds":{"2":"new"},"ok":1},"failed":["MongoBulkWriteError",11000,[[0,11000]],0,0],"left":5}"#;
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named() {
    let server = Server::start().await;
    let got = server
        .body(
            "const cyclic: any = { a: [] }; cyclic.a.push(cyclic);
            return [
              await fails(() => c.insertOne({ a: { b: [() => 1] } } as any)),
              await fails(() => c.insertOne(cyclic)),
              await fails(() => c.insertOne({ p: Promise.resolve() } as any)),
              await fails(() => c.insertOne({ '\\0': 'oid' } as any)),
              await fails(() => c.updateOne({}, { a: 1 })),
              await fails(() => c.find({}, { limit: 'x' } as any).toArray()),
              await fails(() => c.find({}, { collation: { locale: 'de' } } as any).toArray()),
              await fails(() => db.collection('a$b').findOne()),
              await fails(() => c.insertMany([])),
              await fails(() => new cloud.ObjectId('nope')),
              await fails(() => cloud.Decimal128.fromString('1,5')),
            ].map((e: any) => e.join(' | '))",
        )
        .await;
    let expected = [
        "TypeError | INVALID_ARGUMENT | insertOne: document.a.b[0] is a function, which cannot be stored",
        "TypeError | INVALID_ARGUMENT | insertOne: document.a[0] is cyclic",
        "TypeError | INVALID_ARGUMENT | insertOne: document.p is a Promise: an await is missing",
        "TypeError | INVALID_ARGUMENT | insertOne: document has a field whose name is a NUL character",
        "Error | INVALID_ARGUMENT | updateOne: the update must be made of operators such as {$set: …}; to replace a document use replaceOne",
        "Error | INVALID_ARGUMENT | find options: limit must be a whole number, not \\\"x\\\"",
        "Error | NOT_SUPPORTED | NOT_SUPPORTED: find options: collation",
        "Error | INVALID_ARGUMENT | Invalid collection name \\\"a$b\\\": it must not contain `$` or NUL",
        "Error | INVALID_ARGUMENT | insertMany: at least one document is needed",
        "TypeError |  | An ObjectId is made of 24 hexadecimal digits, 12 bytes, a number of seconds, or nothing",
        "Error | INVALID_ARGUMENT | \\\"1,5\\\" is not a Decimal128",
    ];
    assert_eq!(got, format!("[\"{}\"]", expected.join("\",\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_and_collections_are_managed() {
    let server = Server::start().await;
    let got = server
        .body(
            "const name = await c.createIndex({ email: 1 }, { unique: true });
            const two = await c.createIndexes([{ key: { a: 1, b: -1 } }, { key: 'z', name: 'zed', sparse: true } as any]);
            await c.insertOne({ email: 'a' } as any);
            const twice = await fails(() => c.insertOne({ email: 'a' } as any));
            const indexes = await c.indexes();
            await c.dropIndex('zed');
            const listed = await db.listCollections().toArray();
            const none = await db.listCollections({ name: 'other' }).toArray();
            return [name, two, twice[1], indexes, (await c.listIndexes().toArray()).length, listed, none, await c.drop(), await c.drop(), await db.dropCollection('gone')]",
        )
        .await;
    let expected = r#"["email_1",["a_1_b_-1","zed"],11000,[{"v":2,"key":{"_id":1},"name":"_id_"},{"v":2,"key":{"email":1},"name":"email_1","unique":true},{"v":2,"key":{"a":1,"b":-1},"name":"a_1_b_-1"},{"v":2,"key":{"z":1},"name":"zed","sparse":true}],3,[{"name":"c","type":"collection"}],[],true,false,false]"#;
    assert_eq!(got, expected);
}
