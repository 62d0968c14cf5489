module m(input a,b,c,output y); assign y = (a & b) | (~a & c); endmodule
