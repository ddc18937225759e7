// A small REST resource: GET lists, POST adds, DELETE ?id= removes.
import cloud, { ObjectId } from "@tandem/cloud";
import type { FunctionContext } from "@tandem/cloud";

const notes = cloud.database().collection("notes");

export default async function (ctx: FunctionContext) {
  switch (ctx.method) {
    case "GET":
      return notes.find({}, { sort: { createdAt: -1 }, limit: 50 }).toArray();
    case "POST": {
      const text = String(ctx.body?.text ?? "").trim();
      if (text === "") return Response.json({ error: "text is missing" }, { status: 400 });
      const { insertedId } = await notes.insertOne({ text, createdAt: new Date() });
      return Response.json({ id: insertedId }, { status: 201 });
    }
    case "DELETE": {
      const { deletedCount } = await notes.deleteOne({ _id: new ObjectId(String(ctx.query.id)) });
      return { deleted: deletedCount === 1 };
    }
    default:
      return new Response(null, { status: 405, headers: { allow: "GET, POST, DELETE" } });
  }
}
