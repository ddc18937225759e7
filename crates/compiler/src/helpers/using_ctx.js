function HELPER() {
  const none = {};
  const resources = [];
  const add = (value, isAsync) => {
    if (value === null || value === undefined) {
      if (isAsync) resources.push({ value, dispose: undefined, isAsync });
      return value;
    }
    if (Object(value) !== value) throw new TypeError("`using` needs an object, null or undefined");
    let dispose = isAsync ? value[Symbol.asyncDispose || Symbol.for("Symbol.asyncDispose")] : undefined;
    if (dispose === undefined || dispose === null) {
      const disposeNow = value[Symbol.dispose || Symbol.for("Symbol.dispose")];
      dispose = isAsync && typeof disposeNow === "function" ? function () { disposeNow.call(this); } : disposeNow;
    }
    if (typeof dispose !== "function") throw new TypeError("The object of `using` cannot be disposed of");
    resources.push({ value, dispose, isAsync });
    return value;
  };
  const context = {
    e: none,
    u: (value) => add(value, false),
    a: (value) => add(value, true),
    d: () => {
      let error = context.e;
      const fail = (thrown) => {
        if (error === none) error = thrown;
        else if (typeof SuppressedError === "function") error = new SuppressedError(thrown, error);
        else error = Object.assign(new Error("An error was suppressed during disposal"), { name: "SuppressedError", error: thrown, suppressed: error });
      };
      const next = () => {
        for (let resource; (resource = resources.pop());) {
          try {
            const result = resource.dispose && resource.dispose.call(resource.value);
            if (resource.isAsync) return Promise.resolve(result).then(next, (thrown) => { fail(thrown); return next(); });
          } catch (thrown) {
            fail(thrown);
            if (resource.isAsync) return Promise.resolve().then(next);
          }
        }
        if (error !== none) throw error;
      };
      return next();
    },
  };
  return context;
}
