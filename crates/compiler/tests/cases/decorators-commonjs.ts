const log: any = () => {};
class A { @log run() {} }
module.exports = () => new A();
