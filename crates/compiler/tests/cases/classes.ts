abstract class Base<T> {
  static count = 0;
  declare typed: string;
  plain: number;
  #secret = 1;
  constructor(private readonly id: T, public label = "x") { Base.count++; }
  abstract run(): void;
  get secret(): number { return this.#secret; }
  over(a: string): void;
  over(a: number): void;
  over(a: unknown) {}
}
export default class extends Base<string> { override run() {} }
