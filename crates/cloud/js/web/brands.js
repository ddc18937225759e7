// Lets a file ask whether a value is of a class without loading the class: while nothing has
// loaded it, nothing can be of it.

const brands = {
  __proto__: null,
  isBlob: () => false,
  isFormData: () => false,
  isReadableStream: () => false,
  isSearchParams: () => false,
};

module.exports = brands;
