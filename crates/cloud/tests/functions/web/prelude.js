// Each file beside this one follows it as the rest of a function.
const wrong = [];
const is = (actual, expected) => {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) wrong.push({ actual, expected, at: new Error().stack });
};
const thrown = (act) => {
  try {
    act();
  } catch (error) {
    return error.name;
  }
};
const rejected = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error?.name ?? error;
  }
};
