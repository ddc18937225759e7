export default async function () {
  using file = open();
  await using lock = acquire();
  for (using x of list()) use(x);
  return file.read();
}
declare function open(): any; declare function acquire(): any; declare function list(): any; declare function use(x: any): void;
