let exports = 1;
