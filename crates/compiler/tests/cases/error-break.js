module.exports = () => { break; };
