function HELPER(index, decorator) {
  return function (target, key) { decorator(target, key, index); };
}
