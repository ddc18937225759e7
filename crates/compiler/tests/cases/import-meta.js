export default () => import.meta;
