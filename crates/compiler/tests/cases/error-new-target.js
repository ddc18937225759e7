export default new.target;
