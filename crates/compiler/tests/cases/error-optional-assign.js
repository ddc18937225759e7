module.exports = (a) => { a?.b = 1; };
