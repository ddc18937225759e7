class A { run(o) { return o.#missing; } }
module.exports = A;
