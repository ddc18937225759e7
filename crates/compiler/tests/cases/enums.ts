export enum Colour { Red = 1, Green, Blue = "b" }
const enum Size { S = 1 << 2, L = S * 2 }
declare enum Gone { A }
export default () => [Colour.Red, Size.L];
