export default () => {
  const s = "abc
  return s;
