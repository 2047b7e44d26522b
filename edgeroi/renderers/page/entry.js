// The parts of Apache ECharts that the page draws with, as one global; README.md says how it is built.
export {init} from "echarts/core";
import {use} from "echarts/core";
import {LineChart, BarChart, CustomChart} from "echarts/charts";
import {GridComponent, TooltipComponent, MarkLineComponent} from "echarts/components";
import {SVGRenderer} from "echarts/renderers";
use([LineChart, BarChart, CustomChart, GridComponent, TooltipComponent, MarkLineComponent, SVGRenderer]);
