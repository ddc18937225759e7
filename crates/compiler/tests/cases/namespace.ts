namespace Shapes { export const unit = 1; export function area(r: number) { return r * unit; } export namespace Deep { export type T = 1 } }
namespace OnlyTypes { export interface A {} }
export default () => Shapes.area(2);
