function log(...args: any[]): any {}
const _decorate = 1;
@log
export class Service {
  @log field = _decorate;
  @log method(@log a: string, b: number) { return a; }
  @log static get size() { return 1; }
}
export default () => new Service();
