export default () => import(`lodash`);
