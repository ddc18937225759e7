export default function () {
	const a = 1;
	const b = ;
	return a;
}
