export default function () { const x = await fetch("x"); }
