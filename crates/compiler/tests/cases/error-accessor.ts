export default class { accessor x = 1; }
