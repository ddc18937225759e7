// What a function of Tandem sees. Web APIs (`fetch`, `URL`, `Response`, …) come from TypeScript's
// own `lib.dom.d.ts`.

/** The only argument of a function. `Body` is what you expect `ctx.body` to be. */
type FunctionContext<Body = any> = import("@tandem/cloud").FunctionContext<Body>;

declare module "@tandem/cloud" {
  export interface FunctionContext<Body = any> {
    /**
     * JSON parsed; a form or the fields of a multipart body as an object (a repeated name makes an
     * array); `text/*` a string; anything else a `Uint8Array`; without a body `undefined`.
     */
    body: Body;
    /** A repeated key is an array. */
    query: Record<string, string | string[]>;
    /** Names in lower case. */
    headers: Record<string, string>;
    /** In upper case; empty when another function calls. */
    readonly method: string;
    /** As sent, without the query. */
    readonly path: string;
    /** The caller's `x-request-id`, or one made for this call. */
    readonly requestId: string;
    /** The files of a multipart body. */
    files: UploadedFile[];
    /** The same as `import cloud from "@tandem/cloud"`. */
    cloud: Cloud;
  }

  export interface UploadedFile {
    /** The field's name. */
    field: string;
    /** The file's name as sent. */
    name: string;
    /** Its content type, `application/octet-stream` where none was sent. */
    type: string;
    /** Bytes. */
    size: number;
    bytes(): Uint8Array;
  }

  const cloud: Cloud;
  export { cloud };
  export default cloud;

  export interface Cloud {
    /**
     * Runs another function with `data` as its `ctx.body` and gives what it returns; `data` travels
     * as JSON. What it throws is thrown here, with its message. It inherits the deadline and the
     * request id.
     */
    invoke<Result = any>(name: string, data?: unknown): Promise<Result>;
    /** The strings that the server's configuration passes to functions. Frozen. */
    readonly env: Readonly<Record<string, string>>;
    /** Files in buckets. */
    readonly storage: Storage;
    /** Documents in collections. */
    database(): Database;
    /** Runs an SQL statement where the backend speaks SQL. Values are bound, never pasted into the text. */
    sql<Row = Document>(strings: TemplateStringsArray, ...values: unknown[]): Promise<Row[]>;
    readonly ObjectId: typeof ObjectId;
    readonly Long: typeof Long;
    readonly Double: typeof Double;
    readonly Int32: typeof Int32;
    readonly Decimal128: typeof Decimal128;
    readonly Binary: typeof Binary;
    readonly BSONRegExp: typeof BSONRegExp;
    readonly Code: typeof Code;
    readonly MaxKey: typeof MaxKey;
    readonly MinKey: typeof MinKey;
    readonly Timestamp: typeof Timestamp;
    readonly MongoServerError: typeof MongoServerError;
    readonly MongoBulkWriteError: typeof MongoBulkWriteError;
  }

  // Documents. Verbs, options and results are those of the MongoDB driver for Node.js, whatever
  // the backend. What a backend lacks is refused with an error whose `code` is `NOT_SUPPORTED`.

  export type Document = Record<string, any>;
  /** Paths to values or conditions: `{ "address.city": "Oslo", age: { $gte: 18 } }`. */
  export type Filter = Document;
  /** Operators (`{ $set: … }`), or a pipeline of `$set`, `$unset`, `$project` and `$replaceRoot`. */
  export type Update = Document | Document[];
  export type Direction = 1 | -1 | "asc" | "desc" | "ascending" | "descending";
  export type Sort = string | string[] | Record<string, Direction | Document> | [string, Direction][] | [string, Direction] | Map<string, Direction>;
  export type IndexKeys = string | string[] | Record<string, 1 | -1> | [string, 1 | -1][] | Map<string, 1 | -1>;

  export interface Database {
    collection<T extends Document = Document>(name: string): Collection<T>;
    /** The filter may be `{ name }`. */
    listCollections(filter?: { name?: string }, options?: Document): Cursor<{ name: string; type: "collection" }>;
    /** `false` when there was none. */
    dropCollection(name: string, options?: Document): Promise<boolean>;
    /**
     * Runs `callback` with a database whose writes happen together or not at all: committed when
     * it returns, aborted when it throws, run again (up to ten times) when another transaction won.
     */
    withTransaction<Result>(callback: (database: Database) => Promise<Result> | Result): Promise<Result>;
    readonly ObjectId: typeof ObjectId;
    readonly Long: typeof Long;
    readonly Double: typeof Double;
    readonly Int32: typeof Int32;
    readonly Decimal128: typeof Decimal128;
    readonly Binary: typeof Binary;
    readonly BSONRegExp: typeof BSONRegExp;
    readonly Code: typeof Code;
    readonly MaxKey: typeof MaxKey;
    readonly MinKey: typeof MinKey;
    readonly Timestamp: typeof Timestamp;
    readonly MongoServerError: typeof MongoServerError;
    readonly MongoBulkWriteError: typeof MongoBulkWriteError;
  }

  export interface Collection<T extends Document = Document> {
    readonly collectionName: string;
    find(filter?: Filter | null, options?: FindOptions): FindCursor<T>;
    findOne(filter?: Filter | null, options?: FindOptions): Promise<T | null>;
    aggregate<R = Document>(pipeline?: Document[], options?: CommonOptions & { batchSize?: number }): Cursor<R>;
    /** Puts an `_id` on `document` where it has none. */
    insertOne(document: T, options?: CommonOptions): Promise<InsertOneResult>;
    /** Puts an `_id` on each document that has none. `ordered` (the default) stops at the first failure. */
    insertMany(documents: T[], options?: CommonOptions & { ordered?: boolean }): Promise<InsertManyResult>;
    updateOne(filter: Filter, update: Update, options?: UpdateOptions): Promise<UpdateResult>;
    updateMany(filter: Filter, update: Update, options?: UpdateOptions): Promise<UpdateResult>;
    replaceOne(filter: Filter, replacement: T, options?: CommonOptions & { upsert?: boolean }): Promise<UpdateResult>;
    deleteOne(filter?: Filter, options?: CommonOptions): Promise<DeleteResult>;
    deleteMany(filter?: Filter, options?: CommonOptions): Promise<DeleteResult>;
    findOneAndUpdate(filter: Filter, update: Update, options: ModifyOptions & { includeResultMetadata: true }): Promise<ModifyResult<T>>;
    findOneAndUpdate(filter: Filter, update: Update, options?: ModifyOptions): Promise<T | null>;
    findOneAndReplace(filter: Filter, replacement: T, options: ModifyOptions & { includeResultMetadata: true }): Promise<ModifyResult<T>>;
    findOneAndReplace(filter: Filter, replacement: T, options?: ModifyOptions): Promise<T | null>;
    findOneAndDelete(filter: Filter, options: ModifyOptions & { includeResultMetadata: true }): Promise<ModifyResult<T>>;
    findOneAndDelete(filter: Filter, options?: ModifyOptions): Promise<T | null>;
    bulkWrite(operations: BulkOperation<T>[], options?: CommonOptions & { ordered?: boolean }): Promise<BulkWriteResult>;
    countDocuments(filter?: Filter | null, options?: CommonOptions & { skip?: number; limit?: number }): Promise<number>;
    /** From what the store already knows: fast, and possibly stale. */
    estimatedDocumentCount(options?: CommonOptions): Promise<number>;
    distinct<Value = any>(path: string, filter?: Filter | null, options?: CommonOptions): Promise<Value[]>;
    /** Gives the index's name. */
    createIndex(keys: IndexKeys, options?: IndexOptions): Promise<string>;
    createIndexes(indexes: (IndexOptions & { key: IndexKeys })[]): Promise<string[]>;
    dropIndex(name: string, options?: CommonOptions): Promise<void>;
    listIndexes(options?: CommonOptions): Cursor<IndexDescription>;
    indexes(options?: CommonOptions): Promise<IndexDescription[]>;
    /** `false` when there was no such collection. */
    drop(options?: CommonOptions): Promise<boolean>;
  }

  /** Documents as they are needed. Closed when read to its end, and with the invocation. */
  export interface Cursor<T = Document> extends AsyncIterable<T> {
    readonly closed: boolean;
    map<R>(transform: (document: T) => R): Cursor<R>;
    /** `null` at the end. */
    next(): Promise<T | null>;
    tryNext(): Promise<T | null>;
    hasNext(): Promise<boolean>;
    toArray(): Promise<T[]>;
    /** Ends early when `visit` returns `false`. */
    forEach(visit: (document: T) => unknown): Promise<void>;
    close(): Promise<void>;
    /** Starts again with the same query. */
    rewind(): void;
  }

  /** Its query can be changed until the first document is read. */
  export interface FindCursor<T = Document> extends Cursor<T> {
    filter(filter: Filter): this;
    sort(keys: Sort, direction?: Direction): this;
    skip(count: number): this;
    limit(count: number): this;
    project<R = Document>(projection: Document): FindCursor<R>;
    batchSize(count: number): this;
    maxTimeMS(milliseconds: number): this;
    /** Has no effect. */
    hint(index: string | Document): this;
    /** Has no effect. */
    comment(text: string): this;
    /** How many documents the cursor would give. */
    count(): Promise<number>;
    /** What part of the query the store itself runs. */
    explain(): Promise<{ backend: string; pushed: unknown; matched: unknown; index?: string }>;
    clone(): FindCursor<T>;
  }

  /**
   * `hint`, `readPreference`, `writeConcern` and the like are taken and have no effect. Options
   * that would change what comes back and are not listed here are refused.
   */
  export interface CommonOptions {
    maxTimeMS?: number;
    comment?: unknown;
    hint?: unknown;
    readPreference?: unknown;
    readConcern?: unknown;
    writeConcern?: unknown;
  }

  export interface FindOptions extends CommonOptions {
    projection?: Document;
    sort?: Sort;
    skip?: number;
    limit?: number;
    batchSize?: number;
  }

  export interface UpdateOptions extends CommonOptions {
    upsert?: boolean;
    arrayFilters?: Document[];
  }

  export interface ModifyOptions extends CommonOptions {
    sort?: Sort;
    projection?: Document;
    upsert?: boolean;
    arrayFilters?: Document[];
    /** `"before"` where left out. */
    returnDocument?: "before" | "after";
    includeResultMetadata?: boolean;
  }

  export interface IndexOptions extends CommonOptions {
    name?: string;
    unique?: boolean;
    sparse?: boolean;
    partialFilterExpression?: Filter;
    expireAfterSeconds?: number;
  }

  export interface IndexDescription {
    v: number;
    key: Document;
    name: string;
    unique?: true;
    sparse?: true;
    partialFilterExpression?: Filter;
    expireAfterSeconds?: number;
  }

  export type BulkOperation<T extends Document = Document> =
    | { insertOne: { document: T } }
    | { updateOne: { filter: Filter; update: Update; upsert?: boolean; arrayFilters?: Document[] } }
    | { updateMany: { filter: Filter; update: Update; upsert?: boolean; arrayFilters?: Document[] } }
    | { replaceOne: { filter: Filter; replacement: T; upsert?: boolean } }
    | { deleteOne: { filter: Filter } }
    | { deleteMany: { filter: Filter } };

  export interface InsertOneResult {
    acknowledged: true;
    insertedId: any;
  }

  export interface InsertManyResult {
    acknowledged: true;
    insertedCount: number;
    insertedIds: Record<number, any>;
  }

  export interface UpdateResult {
    acknowledged: true;
    matchedCount: number;
    modifiedCount: number;
    upsertedCount: number;
    upsertedId: any;
  }

  export interface DeleteResult {
    acknowledged: true;
    deletedCount: number;
  }

  export interface ModifyResult<T = Document> {
    value: T | null;
    lastErrorObject: { n: number; updatedExisting?: boolean };
    ok: 1;
  }

  export interface BulkWriteResult {
    acknowledged: true;
    ok: 1;
    insertedCount: number;
    matchedCount: number;
    modifiedCount: number;
    deletedCount: number;
    upsertedCount: number;
    insertedIds: Record<number, any>;
    upsertedIds: Record<number, any>;
  }

  /** A unique index refused a write. */
  export class MongoServerError extends Error {
    code: number | string;
  }

  /** Some writes of a batch failed. */
  export class MongoBulkWriteError extends MongoServerError {
    writeErrors: { index: number; code: number | string; errmsg: string }[];
    result: InsertManyResult | BulkWriteResult;
    insertedCount: number;
    insertedIds: Record<number, any>;
    matchedCount?: number;
    modifiedCount?: number;
    deletedCount?: number;
    upsertedCount?: number;
    upsertedIds?: Record<number, any>;
  }

  // Types of documents that JavaScript does not have. Whole numbers of up to 32 bits are stored as
  // Int32, other numbers as doubles, a BigInt as a Long. A Long that a number holds exactly is read
  // as a number, bytes without a subtype as a `Uint8Array`.

  export class ObjectId {
    /** New; or from 24 hexadecimal digits, 12 bytes, another id, or seconds since 1970. */
    constructor(input?: string | number | Uint8Array | ArrayBuffer | { toHexString(): string } | null);
    static createFromHexString(text: string): ObjectId;
    /** The smallest id of a second, for comparisons. */
    static createFromTime(seconds: number): ObjectId;
    static isValid(input: unknown): boolean;
    readonly id: Uint8Array;
    getTimestamp(): Date;
    equals(other: unknown): boolean;
    toHexString(): string;
    toString(): string;
    toJSON(): string;
  }

  /** A 64-bit integer. */
  export class Long {
    constructor(value?: string | number | bigint | Long);
    constructor(low: number, high: number);
    static fromString(text: string): Long;
    static fromNumber(number: number): Long;
    static fromInt(number: number): Long;
    static fromBigInt(value: bigint): Long;
    static fromBits(low: number, high: number): Long;
    static isLong(value: unknown): value is Long;
    static readonly ZERO: Long;
    static readonly ONE: Long;
    static readonly MAX_VALUE: Long;
    static readonly MIN_VALUE: Long;
    readonly low: number;
    readonly high: number;
    add(other: string | number | bigint | Long): Long;
    subtract(other: string | number | bigint | Long): Long;
    multiply(other: string | number | bigint | Long): Long;
    divide(other: string | number | bigint | Long): Long;
    modulo(other: string | number | bigint | Long): Long;
    negate(): Long;
    compare(other: string | number | bigint | Long): -1 | 0 | 1;
    equals(other: string | number | bigint | Long): boolean;
    lessThan(other: string | number | bigint | Long): boolean;
    greaterThan(other: string | number | bigint | Long): boolean;
    isZero(): boolean;
    isNegative(): boolean;
    toBigInt(): bigint;
    toInt(): number;
    toNumber(): number;
    toString(): string;
    /** A number where a number is exact, else its digits. */
    toJSON(): number | string;
  }

  /** A double, also where the number is whole. */
  export class Double {
    constructor(value: number);
    value: number;
    valueOf(): number;
    toString(): string;
    toJSON(): number;
  }

  /** A 32-bit integer. */
  export class Int32 {
    constructor(value: number | string);
    value: number;
    valueOf(): number;
    toString(): string;
    toJSON(): number;
  }

  /** A decimal number of 34 digits. */
  export class Decimal128 {
    constructor(text: string);
    static fromString(text: string): Decimal128;
    toString(): string;
    toJSON(): { $numberDecimal: string };
  }

  /** Bytes with a subtype. */
  export class Binary {
    constructor(buffer: Uint8Array | ArrayBuffer, subType?: number);
    static createFromBase64(text: string, subType?: number): Binary;
    buffer: Uint8Array;
    sub_type: number;
    value(): Uint8Array;
    length(): number;
    /** Base64. */
    toString(): string;
    toJSON(): string;
  }

  /** A regular expression that JavaScript cannot run, as it is stored. */
  export class BSONRegExp {
    constructor(pattern: string, options?: string);
    pattern: string;
    options: string;
  }

  /** Code as data: nothing runs it. */
  export class Code {
    constructor(code: string, scope?: Document | null);
    code: string;
    scope: Document | null;
    toJSON(): { code: string; scope?: Document };
  }

  /** The internal timestamp of replication: seconds and a count within the second. */
  export class Timestamp {
    constructor(parts: { t: number; i: number });
    t: number;
    i: number;
    equals(other: unknown): boolean;
    toString(): string;
    toJSON(): { $timestamp: { t: number; i: number } };
  }

  /** Sorts before every other value. */
  export class MinKey {
    toJSON(): { $minKey: 1 };
  }

  /** Sorts after every other value. */
  export class MaxKey {
    toJSON(): { $maxKey: 1 };
  }

  // Files. An error about a file that is not there has `code` `NOT_FOUND`.

  export interface Storage {
    /** The bucket of that name; the server's default where left out. */
    bucket(name?: string): Bucket;
  }

  export interface Bucket {
    writeFile(key: string, data: string | Uint8Array | ArrayBuffer, options?: WriteOptions): Promise<FileInfo>;
    readFile(key: string): Promise<FileBytes>;
    /** No error when there is none. */
    deleteFile(key: string): Promise<void>;
    deleteFiles(keys: Iterable<string>): Promise<void>;
    exists(key: string): Promise<boolean>;
    stat(key: string): Promise<FileInfo>;
    copyFile(from: string, to: string): Promise<void>;
    /** Every file whose key starts with the prefix, or as many as `limit` says. */
    listFiles(prefix?: string | ListOptions): Promise<FileList>;
    /** A URL that takes one `PUT` of this file for so many seconds. */
    getUploadUrl(key: string, expiresIn?: number, options?: { contentType?: string }): Promise<string>;
    /** A URL that gives this file for so many seconds. */
    getDownloadUrl(key: string, expiresIn?: number): Promise<string>;
    /** The bytes from `start` up to but not including `end`. */
    readStream(key: string, options?: { start?: number; end?: number }): Promise<ReadableStream<Uint8Array>>;
    /** Writes what the source yields. */
    writeStream(key: string, source: FileSource, options?: WriteOptions): Promise<FileInfo>;
    /** The file is there once the stream is closed. */
    writeStream(key: string, options?: WriteOptions): WritableStream<string | Uint8Array>;
  }

  export type FileSource = ReadableStream | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

  export interface WriteOptions {
    contentType?: string;
    /** Pairs that come back with the file. */
    metadata?: Record<string, string>;
    /** `"*"`: only where there is no such file yet. */
    ifNoneMatch?: "*";
    /** Only over the version with this `etag`. */
    ifMatch?: string;
  }

  export interface ListOptions {
    prefix?: string;
    /** Keys that hold this after the prefix fold into one entry of `prefixes`. */
    delimiter?: string;
    limit?: number;
    /** The `cursor` of the listing before. */
    cursor?: string;
  }

  export interface FileInfo {
    key: string;
    size: number;
    lastModified: Date;
    etag: string;
    contentType?: string;
    metadata?: Record<string, string>;
  }

  export interface FileBytes extends Uint8Array {
    text(): string;
    json(): any;
  }

  export interface FileList extends Array<FileInfo> {
    readonly prefixes: string[];
    /** Where the next listing starts; `undefined` when this one is complete. */
    readonly cursor: string | undefined;
  }
}
