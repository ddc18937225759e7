// Writes and reads objects with the AWS SDK for JavaScript, as tests/it/clients.rs asks on standard
// input.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { readFileSync } from "node:fs";

const require = createRequire(join(process.argv[2], "index.js"));
const { GetObjectCommand, PutObjectCommand, S3Client } = require("@aws-sdk/client-s3");

const task = JSON.parse(readFileSync(0, "utf8"));
const client = new S3Client({
  endpoint: task.endpoint,
  region: task.region,
  forcePathStyle: true,
  credentials: { accessKeyId: task.access_key, secretAccessKey: task.secret_key },
});
for (const { key, body, content_type, metadata } of task.write) {
  await client.send(new PutObjectCommand({
    Bucket: task.bucket,
    Key: key,
    Body: Buffer.from(body, "base64"),
    ContentType: content_type,
    Metadata: metadata,
  }));
}
const read = {};
for (const key of task.read) {
  const found = await client.send(new GetObjectCommand({ Bucket: task.bucket, Key: key }));
  const bytes = await found.Body.transformToByteArray();
  read[key] = {
    sha256: createHash("sha256").update(bytes).digest("hex"),
    content_type: found.ContentType,
    metadata: found.Metadata,
  };
}
process.stdout.write(JSON.stringify(read));
