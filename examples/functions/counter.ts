// Counts visits in the database; two calls at the same moment lose none.
import cloud from "@tandem/cloud";

const visits = cloud.database().collection("visits");

export default async function () {
  const { count } = await visits.findOneAndUpdate(
    { _id: "home" },
    { $inc: { count: 1 } },
    { upsert: true, returnDocument: "after" },
  );
  return { count };
}
