export { nowhere };
