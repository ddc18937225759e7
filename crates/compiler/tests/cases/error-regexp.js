module.exports = () => /(?<a>x)(?<a>y)[/u;
