function HELPER(decorators, target, key, descriptor) {
  const forms = arguments.length;
  let result = forms < 3 ? target : descriptor === null ? Object.getOwnPropertyDescriptor(target, key) : descriptor;
  for (let i = decorators.length - 1; i >= 0; i--) {
    const decorator = decorators[i];
    const replaced = forms < 3 ? decorator(result) : forms > 3 ? decorator(target, key, result) : decorator(target, key);
    if (replaced) result = replaced;
  }
  if (forms > 3 && result) Object.defineProperty(target, key, result);
  return result;
}
