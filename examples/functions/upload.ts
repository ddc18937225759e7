// Keeps an uploaded file and gives back a link to it that works for ten minutes.
//   curl -F file=@picture.png …/invoke/upload
import cloud from "@tandem/cloud";
import type { FunctionContext } from "@tandem/cloud";

export default async function (ctx: FunctionContext) {
  const [file] = ctx.files;
  if (file === undefined) return Response.json({ error: "send a file as multipart/form-data" }, { status: 400 });
  const bucket = cloud.storage.bucket();
  const key = `uploads/${ctx.requestId}/${file.name}`;
  await bucket.writeFile(key, file.bytes(), { contentType: file.type });
  console.log("kept", key, file.size, "bytes");
  return { key, url: await bucket.getDownloadUrl(key, 600) };
}
