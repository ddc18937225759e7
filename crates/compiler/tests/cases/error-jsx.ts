const title = "x";
export default () => <h1 class="a">{title}</h1>;
